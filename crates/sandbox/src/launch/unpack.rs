//! One layer to a folder, in the form that overlayfs reads.
//!
//! Bytes of names that are not UTF-8 stay `\\xNN`, as `layer` writes them and as traces do. Every name is resolved by the kernel below the folder; the archive can neither write outside nor follow a link out.
//! Source: OCI image-spec v1.1, "Layer Changesets"; overlayfs.rst of the kernel, "whiteouts and opaque directories".

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsRawFd, OwnedFd},
};

use layer::Entry;
use model::EntryKind;
use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag},
    sys::stat::{FchmodatFlags, Mode, SFlag, fchmodat, fstatat, mkdirat, mknodat},
    unistd::{Gid, Uid, UnlinkatFlags, fchownat, linkat, mkfifoat, symlinkat, unlinkat},
};

use super::{
    below::{self, DEPTH_MAX, Root},
    sys,
};

/// Ceilings for one layer on the disk.
#[derive(Debug, Clone)]
pub struct UnpackLimits {
    /// Bytes of all files.
    pub bytes_max: u64,
    /// Files, folders, links.
    pub entries_max: u64,
    /// Wall seconds.
    pub seconds_max: u64,
}

impl Default for UnpackLimits {
    fn default() -> Self {
        Self { bytes_max: 8 << 30, entries_max: 1_000_000, seconds_max: 600 }
    }
}

/// Writes the entries of one layer.
pub(super) struct Unpacker {
    root: Root,
    /// Whether owners can be kept, and device numbers made.
    privileged: bool,
    bytes_left: u64,
    /// The folder of the entry before, by its path: archives go folder by folder.
    last: Option<(String, OwnedFd)>,
    /// Modes of folders, set at the end: a folder without `w` could not be filled.
    folders: Vec<(String, u32)>,
    /// What could not be written, one line each, and how many more.
    pub(super) problems: Vec<String>,
    pub(super) problems_more: u64,
    /// What ended it: the disk is full, a ceiling.
    pub(super) failed: Option<String>,
}

/// Lines of problems that are kept.
const PROBLEMS_MAX: usize = 20;

impl Unpacker {
    pub(super) fn new(root: Root, limits: &UnpackLimits) -> Self {
        Self {
            root,
            privileged: nix::unistd::geteuid().is_root(),
            bytes_left: limits.bytes_max,
            last: None,
            folders: Vec::new(),
            problems: Vec::new(),
            problems_more: 0,
            failed: None,
        }
    }

    /// Writes one entry. What a runtime would refuse too is left out and noted.
    pub(super) fn entry(&mut self, entry: &Entry, content: &mut dyn Read) {
        if self.failed.is_some() {
            return;
        }
        if let Err(error) = self.write(entry, content) {
            match error.raw_os_error() {
                Some(libc::ENOSPC | libc::EDQUOT | libc::EROFS | libc::EIO | libc::EMFILE | libc::ENFILE) => {
                    self.failed = Some(format!("{}: {error}", entry.path));
                }
                _ if self.problems.len() < PROBLEMS_MAX => self.problems.push(format!("{}: {error}", entry.path)),
                _ => self.problems_more += 1,
            }
        }
    }

    fn write(&mut self, entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
        let path = entry.path.as_str();
        if path.is_empty() {
            return if entry.kind == EntryKind::Opaque { self.opaque(".") } else { Ok(()) };
        }
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        if path.len() >= libc::PATH_MAX as usize || path.split('/').count() > DEPTH_MAX {
            return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
        }
        if entry.kind == EntryKind::Opaque {
            drop(self.root.make_folder(path)?);
            return self.opaque(path);
        }
        let folder = self.parent(folder)?;
        if entry.kind == EntryKind::Folder {
            self.make_folder(&folder, name)?;
            self.folders.push((path.to_owned(), entry.mode));
            return self.own(&folder, name, entry);
        }
        match unlinkat(&folder, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(Errno::EISDIR) => {
                self.last = None;
                below::remove(&folder, name)?;
            }
            Err(error) => return Err(error.into()),
        }
        match entry.kind {
            EntryKind::File => {
                let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
                let mut file = File::from(sys::openat2(&folder, &sys::text(name)?, flags, 0o600, sys::BENEATH)?);
                self.copy(content, &mut file)?;
                self.own(&folder, name, entry)?;
                nix::sys::stat::fchmod(&file, Mode::from_bits_truncate(entry.mode))?;
            }
            EntryKind::Symlink => {
                symlinkat(entry.link.as_deref().unwrap_or_default(), &folder, name)?;
                self.own(&folder, name, entry)?;
            }
            EntryKind::Hardlink => self.hard_link(entry.link.as_deref().unwrap_or_default(), &folder, name)?,
            EntryKind::Fifo => {
                mkfifoat(&folder, name, Mode::from_bits_truncate(entry.mode))?;
                self.own(&folder, name, entry)?;
            }
            // A character device 0:0 hides the name in the layers below; it is no device, and anyone may make one.
            EntryKind::Whiteout => mknodat(&folder, name, SFlag::S_IFCHR, Mode::empty(), 0)?,
            // Engines give a container its devices; those of an image nobody may open.
            _ => {}
        }
        Ok(())
    }

    /// The folder in which an entry is made. A link on the way is followed below the root, as engines do in a `chroot`.
    fn parent(&mut self, path: &str) -> io::Result<OwnedFd> {
        match &self.last {
            Some((last, fd)) if last == path => return fd.try_clone(),
            _ => {}
        }
        let fd = self.root.make_folder(path)?;
        self.last = Some((path.to_owned(), fd.try_clone()?));
        Ok(fd)
    }

    fn make_folder(&mut self, folder: &OwnedFd, name: &str) -> io::Result<()> {
        match mkdirat(folder, name, Mode::S_IRWXU) {
            Err(Errno::EEXIST) => {}
            other => return Ok(other?),
        }
        let stat = fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        if stat.st_mode & libc::S_IFMT == libc::S_IFDIR {
            return Ok(());
        }
        self.last = None;
        unlinkat(folder, name, UnlinkatFlags::NoRemoveDir)?;
        Ok(mkdirat(folder, name, Mode::S_IRWXU)?)
    }

    fn copy(&mut self, content: &mut dyn Read, file: &mut File) -> io::Result<()> {
        let mut buffer = vec![0; 128 << 10];
        loop {
            let bytes = content.read(&mut buffer)?;
            let Some(chunk) = buffer.get(..bytes).filter(|chunk| !chunk.is_empty()) else { return Ok(()) };
            self.bytes_left = match self.bytes_left.checked_sub(bytes as u64) {
                Some(left) => left,
                None => {
                    self.failed = Some("its files are larger than the ceiling".to_owned());
                    return Ok(());
                }
            };
            file.write_all(chunk)?;
        }
    }

    /// A link to a file of a lower layer cannot be made here; engines that unpack layers one by one cannot either.
    fn hard_link(&self, target: &str, folder: &OwnedFd, name: &str) -> io::Result<()> {
        let (target_folder, target_name) = target.rsplit_once('/').unwrap_or(("", target));
        let target_folder = self.root.folder(target_folder)?;
        Ok(linkat(&target_folder, target_name, folder, name, AtFlags::empty())?)
    }

    fn own(&self, folder: &OwnedFd, name: &str, entry: &Entry) -> io::Result<()> {
        if !self.privileged {
            return Ok(());
        }
        let uid = u32::try_from(entry.uid).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
        let gid = u32::try_from(entry.gid).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
        Ok(fchownat(folder, name, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), AtFlags::AT_SYMLINK_NOFOLLOW)?)
    }

    /// The `user.` name, because the overlay is mounted in a user namespace.
    fn opaque(&self, path: &str) -> io::Result<()> {
        let folder = self.root.folder(path)?;
        let path = sys::text(format!("/proc/self/fd/{}", folder.as_raw_fd()))?;
        sys::set_attribute(&path, c"user.overlay.opaque", b"y")
    }

    /// Sets the modes of the folders. Call it once, at the end.
    pub(super) fn finish(&mut self) {
        for (path, mode) in std::mem::take(&mut self.folders).into_iter().rev() {
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
            // Whoever is not root must be able to remove it again.
            let mode = if self.privileged { mode } else { mode | 0o700 };
            let Ok(folder) = self.root.folder(folder) else { continue };
            let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            if nix::fcntl::openat(&folder, name, flags, Mode::empty()).is_ok() {
                let _ = fchmodat(&folder, name, Mode::from_bits_truncate(mode), FchmodatFlags::FollowSymlink);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, path::Path};

    use super::*;

    fn entry(path: &str, kind: EntryKind, link: Option<&str>) -> Entry {
        Entry { path: path.to_owned(), kind, mode: 0o755, uid: 0, gid: 0, size: 0, link: link.map(str::to_owned) }
    }

    fn unpack(into: &Path, entries: &[(Entry, &[u8])]) -> Unpacker {
        let mut unpacker =
            Unpacker::new(Root::open(into).unwrap(), &UnpackLimits { bytes_max: 1_000, ..UnpackLimits::default() });
        for (entry, mut content) in entries.iter().map(|(entry, content)| (entry, *content)) {
            unpacker.entry(entry, &mut content);
        }
        unpacker.finish();
        unpacker
    }

    #[test]
    fn nothing_is_written_through_a_link_that_leads_out() {
        let at = tempfile::tempdir().unwrap();
        let (inside, outside) = (at.path().join("in"), at.path().join("out"));
        fs::create_dir(&inside).unwrap();
        fs::create_dir(&outside).unwrap();
        let out = outside.to_str().unwrap();
        let entries = [
            (entry("link", EntryKind::Symlink, Some(out)), &b""[..]),
            (entry("link/x", EntryKind::File, None), b"bad"),
            (entry("up", EntryKind::Symlink, Some("../out")), b""),
            (entry("up/y", EntryKind::File, None), b"bad"),
            (entry("passwd", EntryKind::Hardlink, Some("link/../../../etc/passwd")), b""),
            (entry("file", EntryKind::Symlink, Some("/etc/hostname")), b""),
            (entry("file", EntryKind::File, None), b"mine"),
        ];
        let unpacker = unpack(&inside, &entries);
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        assert!(!inside.join("passwd").exists());
        assert_eq!(fs::read(inside.join("file")).unwrap(), b"mine");
        assert!(!unpacker.problems.is_empty());
    }

    #[test]
    fn whiteouts_folders_and_modes_are_as_overlayfs_wants_them() {
        use std::os::unix::fs::{FileTypeExt, MetadataExt};
        let at = tempfile::tempdir().unwrap();
        let closed = Entry { mode: 0o500, ..entry("closed", EntryKind::Folder, None) };
        let entries = [
            (closed, &b""[..]),
            (entry("closed/f", EntryKind::File, None), b"x"),
            (entry("gone", EntryKind::Whiteout, None), b""),
            (entry("closed/d", EntryKind::File, None), b"a file"),
            (entry("closed/d", EntryKind::Folder, None), b""),
            (entry("disk", EntryKind::Device, None), b""),
        ];
        let unpacker = unpack(at.path(), &entries);
        assert_eq!(unpacker.problems, Vec::<String>::new());
        let gone = fs::symlink_metadata(at.path().join("gone")).unwrap();
        assert!(gone.file_type().is_char_device() && gone.rdev() == 0);
        assert_eq!(fs::metadata(at.path().join("closed")).unwrap().permissions().mode() & 0o777, 0o500);
        assert!(at.path().join("closed/d").is_dir());
        assert!(!at.path().join("disk").exists());
    }

    #[test]
    fn the_ceiling_on_bytes_ends_it() {
        let at = tempfile::tempdir().unwrap();
        let unpacker = unpack(at.path(), &[(entry("big", EntryKind::File, None), &[0; 2_000])]);
        assert!(unpacker.failed.is_some());
    }
}
