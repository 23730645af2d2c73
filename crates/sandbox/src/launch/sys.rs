//! The kernel's calls that `nix` does not have: the only unsafe code of the launcher.

#![expect(unsafe_code, reason = "system calls without a safe wrapper")]

use std::{
    ffi::{CStr, CString},
    io, mem,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    ptr,
};

use nix::unistd::ForkResult;

/// How a path is resolved: never through a magic link such as `/proc/self/fd/3`, and as if the folder were the root.
pub(super) const IN_ROOT: u64 = libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS;
/// How a path is resolved: through no link at all, and never out of the folder.
pub(super) const BENEATH: u64 = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_NO_MAGICLINKS;

/// linux/sched.h, `CLONE_INTO_CGROUP`; the C library's constant has overflowed.
const INTO_CGROUP: u64 = 0x2_0000_0000;

fn check(result: libc::c_long) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(i32::try_from(result).unwrap_or(i32::MAX)) }
}

fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    let fd = check(result)?;
    // SAFETY: the kernel just gave us this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Text for the kernel. A NUL inside is an error, never a shorter text.
pub(super) fn text(bytes: impl Into<Vec<u8>>) -> io::Result<CString> {
    CString::new(bytes).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

/// The C library's `fork`: its allocator works in the child, also where other threads were about to allocate. The child must not print, nor
/// take a lock that another thread of the parent may hold.
pub(super) fn fork() -> io::Result<ForkResult> {
    // SAFETY: the child runs only `guard::run`, which allocates (see above), takes no lock of ours and ends with `exit`.
    Ok(unsafe { nix::unistd::fork() }?)
}

/// Ends this process without running anything of the one it was copied from.
pub(super) fn exit(code: i32) -> ! {
    // SAFETY: no condition.
    unsafe { libc::_exit(code) }
}

/// Which side of [`clone3`] this is.
pub(super) enum Cloned {
    Child,
    Parent { pid: i32, pidfd: OwnedFd },
}

/// Copies this process, which must have one thread only, into new namespaces and a cgroup.
pub(super) fn clone3(flags: u64, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Cloned> {
    let mut pidfd: RawFd = -1;
    // SAFETY: all zeros is a valid `clone_args`.
    let mut arguments: libc::clone_args = unsafe { mem::zeroed() };
    arguments.flags = flags | libc::CLONE_PIDFD as u64;
    arguments.pidfd = ptr::from_mut(&mut pidfd) as u64;
    arguments.exit_signal = libc::SIGCHLD as u64;
    if let Some(cgroup) = cgroup {
        arguments.flags |= INTO_CGROUP;
        arguments.cgroup = u64::try_from(cgroup.as_raw_fd()).unwrap_or(0);
    }
    // SAFETY: the arguments live on this stack, which the child gets a copy of; without CLONE_VM it is as `fork`.
    let pid =
        check(unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, mem::size_of::<libc::clone_args>()) })?;
    if pid == 0 {
        return Ok(Cloned::Child);
    }
    Ok(Cloned::Parent { pid, pidfd: owned(pidfd.into())? })
}

/// `openat2(2)`; always close-on-exec.
pub(super) fn openat2(folder: impl AsFd, path: &CStr, flags: i32, mode: u32, resolve: u64) -> io::Result<OwnedFd> {
    // SAFETY: all zeros is a valid `open_how`.
    let mut how: libc::open_how = unsafe { mem::zeroed() };
    how.flags = u64::from((flags | libc::O_CLOEXEC).cast_unsigned());
    how.mode = u64::from(mode);
    how.resolve = resolve;
    loop {
        // SAFETY: path and `how` outlive the call.
        let result = unsafe {
            libc::syscall(
                libc::SYS_openat2,
                folder.as_fd().as_raw_fd(),
                path.as_ptr(),
                &raw const how,
                mem::size_of::<libc::open_how>(),
            )
        };
        match owned(result) {
            // The kernel could not prove that `..` stayed inside, because something was renamed meanwhile.
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {}
            other => return other,
        }
    }
}

/// Sets an extended attribute of what `path` names.
pub(super) fn set_attribute(path: &CStr, name: &CStr, value: &[u8]) -> io::Result<()> {
    // SAFETY: all three outlive the call, and the length is the value's.
    check(unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) }.into())
        .map(drop)
}

/// Sends SIGKILL to a process by descriptor: never to another one that got its id.
pub(super) fn kill(pidfd: impl AsFd) -> io::Result<()> {
    let none = ptr::null::<libc::siginfo_t>();
    // SAFETY: no memory is passed.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_fd().as_raw_fd(), libc::SIGKILL, none, 0) })
        .map(drop)
}

/// Takes hold of a process.
pub(super) fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })
}

/// Gets a copy of another process's descriptor.
pub(super) fn pidfd_getfd(pidfd: impl AsFd, fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_fd().as_raw_fd(), fd, 0) })
}

/// Closes every descriptor from 3 on but `keep`.
pub(super) fn close_all_but(keep: &[RawFd]) -> io::Result<()> {
    let mut keep: Vec<u32> = keep.iter().filter_map(|&fd| u32::try_from(fd).ok()).filter(|&fd| fd > 2).collect();
    keep.sort_unstable();
    let mut from = 3;
    for fd in keep.into_iter().chain([u32::MAX]) {
        if fd > from {
            // SAFETY: what is closed here belongs to the process we were copied from; nothing of ours uses it any more.
            check(unsafe { libc::syscall(libc::SYS_close_range, from, fd.saturating_sub(1), 0) })?;
        }
        from = fd.saturating_add(1);
    }
    Ok(())
}

/// Every descriptor from 3 on ends at the next `execve`.
pub(super) fn close_all_on_exec() -> io::Result<()> {
    // SAFETY: nothing is closed now.
    check(unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) }).map(drop)
}

/// Signals are as a new program expects them: none blocked, none ignored.
pub(super) fn default_signals() {
    for signal in 1..=64 {
        // SAFETY: no handler is installed, the default is set; what cannot be set says so and stays.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let _ = nix::sys::signal::SigSet::empty().thread_set_mask();
}

/// `prctl(2)` with one number.
pub(super) fn prctl(option: i32, value: u64) -> io::Result<()> {
    // SAFETY: used only with options whose argument is a number.
    check(unsafe { libc::prctl(option, value, 0, 0, 0) }.into()).map(drop)
}

/// From the next `execve` on there are the capabilities of `bits` and no others, and none for who is not root there.
pub(super) fn bound_capabilities(bits: u64) -> io::Result<()> {
    for capability in 0..64 {
        // The kernel answers EINVAL beyond its last one.
        if bits & (1 << capability) == 0 && prctl(libc::PR_CAPBSET_DROP, capability).is_err() {
            break;
        }
    }
    prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as u64)
}

/// Keeps all capabilities, but for use none: what is done from here on is done as the user alone.
pub(super) fn set_aside_capabilities() -> io::Result<()> {
    // linux/capability.h: version 3, this process; then effective, permitted, inheritable of the lower and the upper 32.
    let mut header: [u32; 2] = [0x2008_0522, 0];
    let mut data: [u32; 6] = [0; 6];
    // SAFETY: header and data have the shape that version 3 asks for.
    check(unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), data.as_mut_ptr()) })?;
    let [_, low, _, _, high, _] = data;
    let data = [0, low, 0, 0, high, 0];
    // SAFETY: as above.
    check(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), data.as_ptr()) }).map(drop)
}

/// Installs a seccomp filter for this process and what it starts; with `listen` it gives the notification descriptor.
pub(super) fn seccomp(program: &[libc::sock_filter], listen: bool) -> io::Result<Option<OwnedFd>> {
    let length = u16::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    let flags = if listen { libc::SECCOMP_FILTER_FLAG_NEW_LISTENER } else { 0 };
    // SAFETY: the kernel copies the program, which outlives the call, and does not write to it.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    if listen { owned(result).map(Some) } else { check(result).map(|_| None) }
}

/// Opens a fanotify group that gives a descriptor with each event.
pub(super) fn fanotify_init() -> io::Result<OwnedFd> {
    let flags = libc::FAN_CLASS_NOTIF | libc::FAN_CLOEXEC | libc::FAN_NONBLOCK;
    let events = libc::O_RDONLY | libc::O_LARGEFILE | libc::O_CLOEXEC | libc::O_NOATIME;
    // SAFETY: no memory is passed.
    owned(unsafe { libc::fanotify_init(flags, events.cast_unsigned()) }.into())
}

/// Watches the whole file system that `folder` is on.
pub(super) fn fanotify_watch(group: impl AsFd, mask: u64, folder: impl AsFd) -> io::Result<()> {
    let flags = libc::FAN_MARK_ADD | libc::FAN_MARK_FILESYSTEM;
    // SAFETY: no path is passed, the folder is named by its descriptor.
    let result =
        unsafe { libc::fanotify_mark(group.as_fd().as_raw_fd(), flags, mask, folder.as_fd().as_raw_fd(), ptr::null()) };
    check(result.into()).map(drop)
}

/// One event of a fanotify group.
pub(super) struct Touched {
    pub(super) mask: u64,
    /// Host process id.
    #[expect(dead_code, reason = "part of what the kernel tells; for whoever debugs")]
    pub(super) pid: i32,
    /// The file; none where the queue had overflowed.
    pub(super) file: Option<OwnedFd>,
}

/// The events that wait in a fanotify group, as the kernel wrote them to `buffer`.
pub(super) fn fanotify_events(buffer: &[u8]) -> Vec<Touched> {
    let size = mem::size_of::<libc::fanotify_event_metadata>();
    let mut events = Vec::new();
    let mut at = 0;
    while let Some(bytes) = buffer.get(at..at + size) {
        // SAFETY: the struct is plain numbers, `bytes` is as long as it, and alignment is not asked for.
        let event: libc::fanotify_event_metadata = unsafe { ptr::read_unaligned(bytes.as_ptr().cast()) };
        let length = event.event_len as usize;
        if length < size {
            break;
        }
        // SAFETY: the kernel opened it for us with this event, which is read once.
        let file = (event.fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(event.fd) });
        events.push(Touched { mask: event.mask, pid: event.pid, file });
        at += length;
    }
    events
}

/// Sets a resource limit of this process, both soft and hard, never above the present hard one. Returns what it is now.
pub(super) fn limit(resource: nix::sys::resource::Resource, wanted: u64) -> io::Result<u64> {
    let (_, hard) = nix::sys::resource::getrlimit(resource)?;
    let value = wanted.min(hard);
    nix::sys::resource::setrlimit(resource, value, value)?;
    Ok(value)
}

/// Asks for SIGKILL should the parent end.
pub(super) fn die_with_parent() -> io::Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as u64)
}

/// `execve(2)`; comes back only with an error.
pub(super) fn execute(program: &CStr, arguments: &[CString], environment: &[CString]) -> io::Error {
    match nix::unistd::execve(program, arguments, environment) {
        Ok(never) => match never {},
        Err(error) => error.into(),
    }
}

/// Whether what `fd` is has an extended attribute of that name.
pub(super) fn has_attribute(fd: BorrowedFd<'_>, name: &CStr) -> bool {
    // SAFETY: a size of 0 asks for the length only, nothing is written.
    unsafe { libc::fgetxattr(fd.as_raw_fd(), name.as_ptr(), ptr::null_mut(), 0) >= 0 }
}

/// Takes a descriptor that came with a message.
pub(super) fn received(fd: RawFd) -> OwnedFd {
    // SAFETY: the kernel made it for us when the message was received, and it is taken once.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Lets others go first on the processor.
pub(super) fn be_nice() {
    // SAFETY: no memory is passed; an error leaves it as it was.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 10) };
}

/// Bytes of a page of memory.
pub(super) fn page_bytes() -> u64 {
    // SAFETY: no condition.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4_096)
}

/// How many bytes wait in a pipe.
pub(super) fn waiting_bytes(pipe: impl AsFd, bytes: &mut i32) -> io::Result<()> {
    // SAFETY: the kernel writes one number, to which the pointer leads.
    check(unsafe { libc::ioctl(pipe.as_fd().as_raw_fd(), libc::FIONREAD, ptr::from_mut(bytes)) }.into()).map(drop)
}
