//! Images on this machine: OCI layouts in a folder or a tar file, `docker save` archives, the Docker engine.
//!
//! | module | what it reads |
//! |---|---|
//! | [`layout`] | what an OCI layout says, wherever its files are |
//! | [`folder`] | the files of a layout in a folder |
//! | [`tar_file`] | the members of an archive in a file, OCI layout or not |
//! | [`docker_archive`] | what `docker save` wrote, in a file |
//! | [`docker_stream`] | the same, passing by once |
//! | [`docker_manifest`] | its `manifest.json` |
//! | [`names`], [`pipe`] | members by name, members one after the other |
//! | [`containerd`], [`grpc`], [`protobuf`] | what containerd has and runs |
//! | [`daemon`], [`http`] | the Docker engine, and the little HTTP it needs |
//! | [`engine`] | what the engine knows of images, without their content |

pub(crate) mod containerd;
pub(crate) mod daemon;
mod docker_archive;
mod docker_manifest;
pub(crate) mod docker_stream;
pub(crate) mod engine;
pub(crate) mod engine_containers;
mod folder;
mod grpc;
mod http;
mod layout;
mod names;
mod pipe;
mod protobuf;
mod tar_file;

use std::{
    fmt::Display,
    io::{self, Read},
    path::Path,
};

use model::Locator;

use self::tar_file::{Hash, TarFile};
use crate::{ImageSource, RegistryError};

/// Opens a place on this machine.
pub(crate) fn open(locator: &Locator) -> Result<Box<dyn ImageSource>, RegistryError> {
    match locator {
        Locator::OciLayout { folder, tag } => {
            let name = format!("oci:{}", folder.display());
            let layout = folder::Folder::open(folder, name)?;
            Ok(Box::new(layout::OciSource::open(layout, tag.clone())?))
        }
        Locator::OciArchive { file, tag } => {
            let name = format!("oci-archive:{}", file.display());
            let layout = TarFile::open(file, name, Hash::Nothing)?;
            Ok(Box::new(layout::OciSource::open(layout, tag.clone())?))
        }
        Locator::DockerArchive(Some(file)) => {
            let name = format!("docker-archive:{}", file.display());
            Ok(Box::new(docker_archive::DockerArchive::open(file, name)?))
        }
        Locator::DockerArchive(None) | Locator::DockerDaemon(_) => {
            Err(invalid(locator, "it can only be streamed (read_docker_stream, docker_daemon_stream)"))
        }
        Locator::Registry(_) => Err(invalid(locator, "it is in a registry, not on this machine")),
    }
}

fn invalid(what: impl Display, detail: impl Display) -> RegistryError {
    RegistryError::Invalid { what: what.to_string(), detail: detail.to_string() }
}

/// What an error of the file system means to the caller.
fn unreadable(what: impl Display, path: &Path, error: &io::Error) -> RegistryError {
    let what = what.to_string();
    match error.kind() {
        io::ErrorKind::NotFound => {
            RegistryError::NotFound { what, hint: format!("there is no {}, check the path", path.display()) }
        }
        io::ErrorKind::PermissionDenied => RegistryError::Denied {
            registry: "the file system".to_owned(),
            what,
            hint: format!("check the permissions of {}", path.display()),
        },
        _ => RegistryError::Invalid { what, detail: format!("{} cannot be read: {error}", path.display()) },
    }
}

/// The error that a verifying reader gave, or what else went wrong while reading.
fn while_reading(what: impl Display, error: io::Error) -> RegistryError {
    let text = error.to_string();
    match error.into_inner().map(|inner| inner.downcast::<RegistryError>()) {
        Some(Ok(inner)) => *inner,
        _ => invalid(what, format!("cannot be read: {text}")),
    }
}

/// All of `reader`, if it is no longer than `bytes_max`.
fn read_small(what: impl Display, reader: impl Read, bytes_max: u64) -> Result<Vec<u8>, RegistryError> {
    let mut bytes = Vec::new();
    #[expect(clippy::disallowed_methods, reason = "bounded by take")]
    let read = reader.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| while_reading(&what, error))?;
    if bytes.len() as u64 > bytes_max {
        return Err(invalid(what, format!("it is longer than {bytes_max} bytes")));
    }
    Ok(bytes)
}
