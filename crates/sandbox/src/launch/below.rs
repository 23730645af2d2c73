//! Files below a folder whose content is hostile: no name and no link leads out of it.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    path::Path,
};

use nix::{
    fcntl::AtFlags,
    sys::stat::{FchmodatFlags, Mode, fchmodat, fstatat, mkdirat},
    unistd::{UnlinkatFlags, unlinkat},
};

use super::sys;

/// Deepest folder that is made or walked.
pub(super) const DEPTH_MAX: usize = 256;

/// A folder that is the root of all paths given to its methods: `..`, `/` and links stay inside, as in a container.
pub(super) struct Root(OwnedFd);

impl Root {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        use nix::fcntl::{OFlag, open};
        Ok(Self(open(path, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?))
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// A folder; links on the way are followed, inside.
    pub(super) fn folder(&self, path: &str) -> io::Result<OwnedFd> {
        let path = if path.is_empty() { "." } else { path };
        sys::openat2(&self.0, &sys::text(path)?, libc::O_DIRECTORY | libc::O_RDONLY, 0, sys::IN_ROOT)
    }

    /// A folder, made with its parents where missing (`0755`, as every runtime does).
    ///
    /// # Errors
    ///
    /// `ENOTDIR` where a file is in the way, `EEXIST` where a link that leads nowhere is.
    pub(super) fn make_folder(&self, path: &str) -> io::Result<OwnedFd> {
        match self.folder(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        if path.split('/').count() > DEPTH_MAX {
            return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
        }
        let mut so_far = String::new();
        let mut here = self.folder("")?;
        for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
            so_far.push('/');
            so_far.push_str(part);
            here = match self.folder(&so_far) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    mkdirat(&here, part, Mode::from_bits_truncate(0o755))?;
                    self.folder(&so_far)?
                }
                other => other?,
            };
        }
        Ok(here)
    }

    /// An existing regular file, for reading. What is no regular file is `InvalidInput`; a pipe does not block.
    pub(super) fn file(&self, path: &str) -> io::Result<File> {
        regular(sys::openat2(&self.0, &sys::text(path)?, libc::O_RDONLY | libc::O_NONBLOCK, 0, sys::IN_ROOT)?)
    }

    /// Writes a file, its parents made where missing; what was there by that name, itself no folder, is replaced.
    pub(super) fn write(&self, path: &str, mode: u32, owner: Option<(u32, u32)>, bytes: &[u8]) -> io::Result<()> {
        use std::io::Write as _;
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = self.make_folder(folder)?;
        let _ = unlinkat(&folder, name, UnlinkatFlags::NoRemoveDir);
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
        let mut file = File::from(sys::openat2(&folder, &sys::text(name)?, flags, 0o600, sys::BENEATH)?);
        file.write_all(bytes)?;
        if let Some((uid, gid)) = owner {
            nix::unistd::fchown(&file, Some(uid.into()), Some(gid.into()))?;
        }
        Ok(nix::sys::stat::fchmod(&file, Mode::from_bits_truncate(mode))?)
    }
}

/// Takes `fd` as a file if it is a regular one.
pub(super) fn regular(fd: OwnedFd) -> io::Result<File> {
    let file = File::from(fd);
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// The content of a file up to `bytes_max`, and whether that was all of it.
#[expect(clippy::disallowed_methods, reason = "the ceiling is `take`")]
pub(super) fn read_bounded(file: &mut impl Read, bytes_max: u64) -> io::Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    let all = bytes.len() as u64 <= bytes_max;
    bytes.truncate(usize::try_from(bytes_max).unwrap_or(usize::MAX));
    Ok((bytes, all))
}

/// A small text file of the kernel.
pub(super) fn read_text(path: impl AsRef<Path>) -> io::Result<String> {
    let (bytes, _) = read_bounded(&mut File::open(path)?, 1 << 20)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Removes what has that name in `folder`, a whole tree if it is a folder, following nothing.
pub(super) fn remove(folder: impl AsFd, name: &str) -> io::Result<()> {
    let folder = folder.as_fd();
    match unlinkat(folder, name, UnlinkatFlags::NoRemoveDir) {
        Err(nix::errno::Errno::EISDIR) => {}
        other => return Ok(other?),
    }
    let stat = fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    if stat.st_mode & 0o700 != 0o700 {
        fchmodat(folder, name, Mode::S_IRWXU, FchmodatFlags::FollowSymlink)?;
    }
    // The standard library's own walk goes by descriptors and follows no link.
    std::fs::remove_dir_all(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn root(at: &Path) -> Root {
        let inside = at.join("inside");
        fs::create_dir(&inside).unwrap();
        fs::write(at.join("outside"), "secret").unwrap();
        Root::open(&inside).unwrap()
    }

    #[test]
    fn no_link_leads_out() {
        let at = tempfile::tempdir().unwrap();
        let root = root(at.path());
        symlink("../outside", at.path().join("inside/climbs")).unwrap();
        symlink(at.path().join("outside"), at.path().join("inside/absolute")).unwrap();
        symlink("..", at.path().join("inside/up")).unwrap();
        for path in ["climbs", "absolute", "up/outside", "../outside", "/../outside", "/proc/self/exe"] {
            assert!(root.file(path).is_err(), "{path}");
        }
        root.write("up/made", 0o644, None, b"x").unwrap();
        assert_eq!(fs::read(at.path().join("inside/made")).unwrap(), b"x");
    }

    #[test]
    fn a_file_takes_the_place_of_a_link_and_not_of_its_target() {
        let at = tempfile::tempdir().unwrap();
        let root = root(at.path());
        symlink(at.path().join("outside"), at.path().join("inside/link")).unwrap();
        root.write("link", 0o600, None, b"mine").unwrap();
        assert_eq!(fs::read(at.path().join("outside")).unwrap(), b"secret");
        assert_eq!(fs::read(at.path().join("inside/link")).unwrap(), b"mine");
    }
}
