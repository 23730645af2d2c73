//! What containerd has and runs, of every namespace: over its own socket, reading only.
//!
//! Content is known by its labels: containerd notes at each index and manifest what it refers to, so nothing of an image is read.
//! Source: containerd `api/services/{namespaces,images,containers,tasks,content}/v1` and `api/types/task`; `docs/garbage-collection.md`
//! for `containerd.io/gc.ref.content`. Tested with containerd 1.6.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use model::Digest;

use super::{
    grpc::Channel,
    protobuf::{messages, pairs, text, value},
};
use crate::RegistryError;

/// Most namespaces asked about: Docker and Kubernetes use one each.
const NAMESPACES_MAX: usize = 100;
/// `Status` of `api/types/task/task.proto`.
const RUNNING: u64 = 2;
const PAUSED: u64 = 4;

/// A containerd, by its socket. Every call opens a connection and blocks.
#[derive(Debug, Clone)]
pub struct Containerd {
    socket: PathBuf,
    timeout: Duration,
}

/// All it has and runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerdState {
    /// Of every namespace.
    pub images: Vec<ContainerdImage>,
    /// Of every namespace.
    pub containers: Vec<ContainerdContainer>,
}

/// What a digest is, as far as containerd says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContainerdContent {
    /// An index.
    Index,
    /// A manifest.
    Manifest,
    /// A config.
    Config,
    /// A layer.
    Layer,
    /// It does not say.
    Unknown,
}

/// An image by one of its names. All text is hostile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerdImage {
    /// Namespace.
    pub namespace: String,
    /// For example `docker.io/library/nginx:1`, or `sha256:…` by the config.
    pub name: String,
    /// What it points to, then everything below that is there.
    pub digests: Vec<(Digest, ContainerdContent)>,
    /// Seconds since 1970.
    pub created_at: u64,
}

/// A container. All text is hostile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerdContainer {
    /// Namespace.
    pub namespace: String,
    /// Its id.
    pub id: String,
    /// Name of its image, as [`ContainerdImage::name`].
    pub image: String,
    /// Whether it has a task that runs or is paused.
    pub running: bool,
    /// For example `io.kubernetes.pod.name`.
    pub labels: Vec<(String, String)>,
    /// Seconds since 1970.
    pub created_at: u64,
}

impl Containerd {
    /// The one on `socket`; nothing is asked yet. `timeout` is for each question.
    #[must_use]
    pub fn new(socket: &Path, timeout: Duration) -> Self {
        Self { socket: socket.to_owned(), timeout }
    }

    /// Everything it has and runs.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Unreachable`] or [`RegistryError::Denied`] if it does not answer.
    pub fn state(&self) -> Result<ContainerdState, RegistryError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let result = runtime.and_then(|runtime| runtime.block_on(self.asked()));
        result.map_err(|error| self.explained(&error))
    }

    async fn asked(&self) -> io::Result<ContainerdState> {
        let channel = Channel::open(&self.socket).await?;
        let namespaces =
            channel.ask("containerd.services.namespaces.v1.Namespaces/List", "default", self.timeout).await?;
        let namespaces: Vec<_> = namespaces.iter().flat_map(|it| messages(it, 1)).map(|it| text(it, 1)).collect();
        let mut state = ContainerdState::default();
        for namespace in namespaces.into_iter().take(NAMESPACES_MAX) {
            let ask = async |method: &str| {
                channel.ask(&format!("containerd.services.{method}/List"), &namespace, self.timeout).await
            };
            let contents = contents(&ask("content.v1.Content").await?);
            for image in ask("images.v1.Images").await?.iter().flat_map(|it| messages(it, 1)) {
                state.images.extend(read_image(&namespace, image, &contents));
            }
            let tasks = ask("tasks.v1.Tasks").await?;
            let running = running(&tasks);
            for container in ask("containers.v1.Containers").await?.iter().flat_map(|it| messages(it, 1)) {
                state.containers.push(read_container(&namespace, container, &running));
            }
        }
        Ok(state)
    }

    fn explained(&self, error: &io::Error) -> RegistryError {
        let socket = self.socket.display();
        let what = "containerd".to_owned();
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => RegistryError::Unreachable {
                what,
                detail: format!("nothing listens on {socket}; start it, or name its socket"),
            },
            io::ErrorKind::PermissionDenied => RegistryError::Denied {
                registry: format!("the socket {socket}"),
                what,
                hint: "run as root: containerd's socket is for it alone".to_owned(),
            },
            io::ErrorKind::TimedOut => RegistryError::Unreachable {
                what,
                detail: format!("nothing on {socket} answered within {} s", self.timeout.as_secs()),
            },
            _ => RegistryError::Unreachable { what, detail: format!("{socket}: {error}") },
        }
    }
}

/// What each piece of content refers to.
type Contents = HashMap<Digest, Vec<(Digest, ContainerdContent)>>;

fn contents(answers: &[Bytes]) -> Contents {
    let mut contents = Contents::new();
    for info in answers.iter().flat_map(|it| messages(it, 1)) {
        let Ok(digest) = text(info, 1).parse::<Digest>() else { continue };
        let references = pairs(info, 5).into_iter().filter_map(|(label, value)| {
            let kind = label.strip_prefix("containerd.io/gc.ref.content")?;
            let kind = match kind.split('.').nth(1).unwrap_or_default() {
                "config" => ContainerdContent::Config,
                "m" => ContainerdContent::Manifest,
                "l" => ContainerdContent::Layer,
                _ => ContainerdContent::Unknown,
            };
            Some((value.parse().ok()?, kind))
        });
        contents.insert(digest, references.collect());
    }
    contents
}

fn read_image(namespace: &str, image: &[u8], contents: &Contents) -> Option<ContainerdImage> {
    let target = messages(image, 3).last()?;
    let media_type = text(target, 1);
    let kind = match media_type.as_str() {
        it if it.ends_with("index.v1+json") || it.ends_with("manifest.list.v2+json") => ContainerdContent::Index,
        it if it.ends_with("manifest.v1+json") || it.ends_with("manifest.v2+json") => ContainerdContent::Manifest,
        _ => ContainerdContent::Unknown,
    };
    let mut digests: Vec<(Digest, ContainerdContent)> = vec![(text(target, 2).parse().ok()?, kind)];
    let mut at = 0;
    // What each refers to, once; content is a graph that names itself by its hash, so it has no loops, but may be wide.
    while let Some((digest, _)) = digests.get(at).copied() {
        at += 1;
        for below in contents.get(&digest).into_iter().flatten() {
            // An index lists manifests of other platforms that were not pulled: they are not here.
            let is_here = contents.contains_key(&below.0);
            if is_here && !digests.iter().any(|(known, _)| *known == below.0) {
                digests.push(*below);
            }
        }
    }
    let created_at = messages(image, 7).last().map_or(0, |time| value(time, 1));
    Some(ContainerdImage { namespace: namespace.to_owned(), name: text(image, 1), digests, created_at })
}

/// Ids of containers with a task that runs or is paused.
fn running(answers: &[Bytes]) -> Vec<String> {
    let tasks = answers.iter().flat_map(|it| messages(it, 1));
    let alive = tasks.filter(|task| matches!(value(task, 4), RUNNING | PAUSED));
    // `id` is the container's in a list; some versions fill `container_id` instead.
    alive.flat_map(|task| [text(task, 1), text(task, 2)]).filter(|id| !id.is_empty()).collect()
}

fn read_container(namespace: &str, container: &[u8], running: &[String]) -> ContainerdContainer {
    let id = text(container, 1);
    ContainerdContainer {
        namespace: namespace.to_owned(),
        running: running.contains(&id),
        image: text(container, 3),
        labels: pairs(container, 2),
        created_at: messages(container, 8).last().map_or(0, |time| value(time, 1)),
        id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of bytes, shorter than 128.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let length = u8::try_from(bytes.len()).expect("short");
        assert!(length < 128 || bytes.len() < 128, "the helper writes short fields only");
        [&[number << 3 | 2, length][..], bytes].concat()
    }

    fn long(number: u8, bytes: &[u8]) -> Vec<u8> {
        let length = u16::try_from(bytes.len()).expect("fits");
        let low = u8::try_from(length & 0x7f).expect("fits") | 0x80;
        let high = u8::try_from(length >> 7).expect("fits");
        [&[number << 3 | 2, low, high][..], bytes].concat()
    }

    #[test]
    fn an_image_is_followed_through_labels_to_what_is_here() {
        let digest = |of: &str| Digest::of(of.as_bytes());
        let info = |of: &str, refers: &[(&str, &str)]| {
            let labels = refers.iter().flat_map(|(label, to)| {
                let key = field(1, format!("containerd.io/gc.ref.content.{label}").as_bytes());
                let pair = [key, field(2, digest(to).to_string().as_bytes())].concat();
                if pair.len() < 128 { field(5, &pair) } else { long(5, &pair) }
            });
            long(1, &[field(1, digest(of).to_string().as_bytes()), labels.collect()].concat())
        };
        let listed = [
            info("index", &[("m.0", "manifest"), ("m.1", "elsewhere")]),
            info("manifest", &[("config", "config"), ("l.0", "layer")]),
            info("config", &[]),
            info("layer", &[]),
        ];
        let contents = contents(&[Bytes::from(listed.concat())]);
        let target =
            [field(1, b"application/vnd.oci.image.index.v1+json"), field(2, digest("index").to_string().as_bytes())];
        let image = [field(1, b"a:1"), long(3, &target.concat()), field(7, &[8, 7])].concat();
        let image = read_image("k8s.io", &image, &contents).expect("an image");
        use ContainerdContent::{Config, Index, Layer, Manifest};
        let expected = [("index", Index), ("manifest", Manifest), ("config", Config), ("layer", Layer)];
        assert_eq!(image.digests, expected.map(|(of, kind)| (digest(of), kind)));
        assert_eq!((image.name.as_str(), image.created_at), ("a:1", 7));
    }

    #[test]
    fn only_live_tasks_run() {
        let task = |id: &[u8], status: u8| field(1, &[field(2, id), vec![4 << 3, status]].concat());
        let answer = Bytes::from([task(b"a", 2), task(b"b", 3), task(b"c", 4)].concat());
        assert_eq!(running(&[answer]), ["a", "c"]);
    }

    #[test]
    fn a_socket_that_is_not_there_says_so() {
        let error = Containerd::new(Path::new("/nowhere.sock"), Duration::from_secs(1)).state().expect_err("fails");
        assert!(error.to_string().contains("/nowhere.sock"), "{error}");
    }
}
