//! The one network device of a sandbox: a TUN device named `eth0` whose other end is the analyser.
//!
//! [`create`] runs in the sandbox's first process, between `clone3` and `execve`: it allocates nothing, so that it is sound in the child of a
//! process with threads. It opens one datagram socket to carry the ioctls, which never sends; it is closed before the sample runs.
//!
//! Source: netdevice(7), `linux/if_tun.h`, `linux/route.h`, `linux/ipv6_route.h`.

#![expect(unsafe_code, reason = "devices are configured by ioctl")]

use std::{
    fs::File,
    io,
    mem::{self, MaybeUninit},
    net::{Ipv4Addr, Ipv6Addr},
    os::{
        fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::fs::FileExt,
    },
};

/// Longest packet of the device, in bytes.
pub const MTU: usize = 1500;
/// Packets the kernel keeps for us before it drops: a flood fills it, a scan does not.
const QUEUE_PACKETS: i32 = 4096;

/// Addresses of the sandbox, as a container engine would give them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// Of the sample.
    pub v4: Ipv4Addr,
    /// Length of its network's prefix.
    pub v4_prefix: u8,
    /// Next hop for everything else.
    pub gateway: Ipv4Addr,
    /// Of the sample.
    pub v6: Ipv6Addr,
    /// Length of its network's prefix.
    pub v6_prefix: u8,
}

impl Address {
    /// What a container engine's default bridge would give the `number`th container: `172.17.0.2/16` and on.
    #[must_use]
    pub const fn of_container(number: u8) -> Self {
        let host = number % 200 + 2;
        Self {
            v4: Ipv4Addr::new(172, 17, 0, host),
            v4_prefix: 16,
            gateway: Ipv4Addr::new(172, 17, 0, 1),
            v6: Ipv6Addr::new(0xfd00, 0x17, 0, 0, 0, 0, 0, host as u16),
            v6_prefix: 64,
        }
    }
}

impl Default for Address {
    fn default() -> Self {
        Self::of_container(0)
    }
}

/// `struct ifreq` with its union as bytes.
#[repr(C)]
struct Request {
    name: [u8; 16],
    value: [u8; 24],
}

/// `struct rtentry`.
#[repr(C)]
struct Route4 {
    pad1: libc::c_ulong,
    destination: libc::sockaddr_in,
    gateway: libc::sockaddr_in,
    mask: libc::sockaddr_in,
    flags: libc::c_ushort,
    pad2: libc::c_short,
    pad3: libc::c_ulong,
    pad4: *mut libc::c_void,
    metric: libc::c_short,
    device: *mut libc::c_char,
    mtu: libc::c_ulong,
    window: libc::c_ulong,
    irtt: libc::c_ushort,
}

/// `struct in6_rtmsg`.
#[repr(C)]
struct Route6 {
    destination: [u8; 16],
    source: [u8; 16],
    gateway: [u8; 16],
    kind: u32,
    destination_prefix: u16,
    source_prefix: u16,
    metric: u32,
    info: libc::c_ulong,
    flags: u32,
    index: libc::c_int,
}

/// Makes `eth0` in the current network namespace and brings it and `lo` up.
///
/// `device` is an open `/dev/net/tun`. **It must have been opened in this network namespace**: the kernel makes the device where the file was
/// opened, not where the ioctl is called, so a file opened outside would put the device outside; that is checked and refused. Returns
/// the file descriptor that packets go through: closing it (and `device`) takes the device away. IPv6 is left out where the kernel has none.
///
/// # Errors
///
/// `PermissionDenied` without `CAP_NET_ADMIN` in the namespace's user namespace; `InvalidInput` for a `device` of another namespace.
pub fn create(device: BorrowedFd<'_>, address: &Address) -> io::Result<OwnedFd> {
    let control = socket(libc::AF_INET)?;
    if namespace(device)? != namespace(borrow(&control))? {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    let tun = device.try_clone_to_owned()?;
    let mut request = named(b"eth0");
    put(&mut request.value, &i16::to_ne_bytes((libc::IFF_TUN | libc::IFF_NO_PI) as i16));
    call(&tun, libc::TUNSETIFF, &mut request)?;

    let mut request = named(b"eth0");
    put(&mut request.value, &(MTU as i32).to_ne_bytes());
    call(&control, libc::SIOCSIFMTU, &mut request)?;
    // A shorter queue only loses more of a flood, which is counted.
    let _shorter = lengthen_queue(&control);
    let mask = Ipv4Addr::from_bits(u32::MAX.checked_shl(32 - u32::from(address.v4_prefix.min(32))).unwrap_or(0));
    for (name, value) in [(libc::SIOCSIFADDR, address.v4), (libc::SIOCSIFNETMASK, mask)] {
        let mut request = named(b"eth0");
        put(&mut request.value, bytes_of(&sockaddr(value)));
        call(&control, name, &mut request)?;
    }
    up(&control, b"lo")?;
    up(&control, b"eth0")?;

    let mut route = Route4 {
        pad1: 0,
        destination: sockaddr(Ipv4Addr::UNSPECIFIED),
        gateway: sockaddr(address.gateway),
        mask: sockaddr(Ipv4Addr::UNSPECIFIED),
        flags: libc::RTF_UP | libc::RTF_GATEWAY,
        pad2: 0,
        pad3: 0,
        pad4: std::ptr::null_mut(),
        metric: 0,
        device: std::ptr::null_mut(),
        mtu: 0,
        window: 0,
        irtt: 0,
    };
    call(&control, libc::SIOCADDRT, &mut route)?;
    // A kernel without IPv6, or with it turned off, still runs the sample.
    let _without_v6 = configure_v6(&control, address);
    Ok(tun)
}

/// By netlink, because the ioctl asks for a capability of the host (`dev_ioctl`), this one of the namespace's owner.
///
/// Source: rtnetlink(7): `nlmsghdr`, `ifinfomsg`, one `rtattr`.
fn lengthen_queue(control: &OwnedFd) -> io::Result<()> {
    let mut request = named(b"eth0");
    call(control, libc::SIOCGIFINDEX, &mut request)?;
    let mut message = [0; 40];
    let halves = |low: u16, high: u16| u32::from(low) | u32::from(high) << 16;
    let [a, b, c, d, ..] = request.value;
    let words = [
        message.len() as u32,
        halves(libc::RTM_SETLINK, libc::NLM_F_REQUEST as u16),
        0,
        0,
        0,
        u32::from_ne_bytes([a, b, c, d]),
        0,
        0,
        halves(8, libc::IFLA_TXQLEN),
        QUEUE_PACKETS as u32,
    ];
    for (at, word) in message.chunks_exact_mut(4).zip(words) {
        put(at, &word.to_ne_bytes());
    }
    // SAFETY: no memory is passed.
    let fd = unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_ROUTE) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just gave it to us, and nobody else has it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: the buffer is as long as said; the kernel handles the message before it answers the call.
    let sent = unsafe { libc::send(socket.as_raw_fd(), message.as_ptr().cast(), message.len(), 0) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn configure_v6(control: &OwnedFd, address: &Address) -> io::Result<()> {
    let mut request = named(b"eth0");
    call(control, libc::SIOCGIFINDEX, &mut request)?;
    let [a, b, c, d, ..] = request.value;
    let index = i32::from_ne_bytes([a, b, c, d]);
    let control = socket(libc::AF_INET6)?;
    let mut own = libc::in6_ifreq {
        ifr6_addr: libc::in6_addr { s6_addr: address.v6.octets() },
        ifr6_prefixlen: u32::from(address.v6_prefix),
        ifr6_ifindex: index,
    };
    call(&control, libc::SIOCSIFADDR, &mut own)?;
    let mut route = Route6 {
        destination: [0; 16],
        source: [0; 16],
        gateway: [0; 16],
        kind: 0,
        destination_prefix: 0,
        source_prefix: 0,
        metric: 1024,
        info: 0,
        flags: u32::from(libc::RTF_UP),
        index,
    };
    call(&control, libc::SIOCADDRT, &mut route)
}

fn up(control: &OwnedFd, name: &[u8]) -> io::Result<()> {
    let mut request = named(name);
    put(&mut request.value, &i16::to_ne_bytes((libc::IFF_UP | libc::IFF_RUNNING) as i16));
    call(control, libc::SIOCSIFFLAGS, &mut request)
}

fn named(name: &[u8]) -> Request {
    let mut request = Request { name: [0; 16], value: [0; 24] };
    put(&mut request.name, name);
    request
}

fn put(to: &mut [u8], bytes: &[u8]) {
    for (to, from) in to.iter_mut().zip(bytes) {
        *to = *from;
    }
}

fn sockaddr(address: Ipv4Addr) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: 0,
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.octets()) },
        sin_zero: [0; 8],
    }
}

fn bytes_of(address: &libc::sockaddr_in) -> &[u8] {
    // SAFETY: `sockaddr_in` is plain old data without padding, and is borrowed as long as the slice.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(address).cast(), mem::size_of::<libc::sockaddr_in>()) }
}

fn borrow(fd: &OwnedFd) -> BorrowedFd<'_> {
    std::os::fd::AsFd::as_fd(fd)
}

/// A socket to carry ioctls: nothing is ever bound, connected or sent.
fn socket(family: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    let fd = unsafe { libc::socket(family, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just gave it to us, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn call<T>(fd: &OwnedFd, name: libc::c_ulong, argument: &mut T) -> io::Result<()> {
    // SAFETY: every caller passes the structure that the named ioctl reads and writes, whole and alive.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), name, std::ptr::from_mut(argument)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Names the network namespace of a socket or of an open `/dev/net/tun`: device and inode of its file.
fn namespace(of: BorrowedFd<'_>) -> io::Result<(u64, u64)> {
    // SAFETY: no memory is passed.
    let fd = unsafe { libc::ioctl(of.as_raw_fd(), libc::SIOCGSKNS) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just gave it to us, and nobody else has it.
    let file = unsafe { OwnedFd::from_raw_fd(fd) };
    let mut status = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the kernel writes a whole `stat` to it, or fails.
    if unsafe { libc::fstat(file.as_raw_fd(), status.as_mut_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: written by the call above, which did not fail.
    let status = unsafe { status.assume_init() };
    Ok((status.st_dev, status.st_ino))
}

/// The kernel's own counts of the device: what did not fit its queue is in no packet we see.
#[derive(Debug)]
pub struct Statistics(File);

impl Statistics {
    /// Those of the namespace that process `pid` is in; they can be read after it has ended, too.
    ///
    /// # Errors
    ///
    /// Where `/proc/PID/net/dev` cannot be opened.
    pub fn of_process(pid: i32) -> io::Result<Self> {
        File::open(format!("/proc/{pid}/net/dev")).map(Self)
    }

    /// Those of the namespace that this thread is in.
    ///
    /// # Errors
    ///
    /// Where `/proc/thread-self/net/dev` cannot be opened.
    pub fn of_this_thread() -> io::Result<Self> {
        File::open("/proc/thread-self/net/dev").map(Self)
    }

    /// Packets that the sample sent and the device's queue dropped; none if the device is gone.
    #[must_use]
    pub fn lost(&self) -> Option<u64> {
        let mut text = [0; 4096];
        let length = self.0.read_at(&mut text, 0).ok()?;
        let text = str::from_utf8(text.get(..length)?).ok()?;
        let line = text.lines().find_map(|line| line.trim_start().strip_prefix("eth0:"))?;
        // Eight columns received, then transmitted: bytes, packets, errors, dropped.
        line.split_ascii_whitespace().nth(11)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{SocketAddr, UdpSocket},
        os::fd::AsFd,
    };

    use nix::sched::{CloneFlags, unshare};

    use super::*;

    fn open() -> File {
        File::options().read(true).write(true).open("/dev/net/tun").expect("/dev/net/tun can be opened")
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the sample's side of a namespace of its own")]
    fn every_address_leads_to_the_device() {
        std::thread::spawn(|| {
            let outside = open();
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace (root)");
            let refused = create(outside.as_fd(), &Address::default()).expect_err("opened outside");
            assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);

            let tun = File::from(create(open().as_fd(), &Address::default()).expect("a device"));
            let statistics = Statistics::of_this_thread().expect("counts");
            assert_eq!(statistics.lost(), Some(0));
            let check = |from: &str, to: &str| {
                // An address of IPv6 is there a moment after it was given.
                let socket = (0..200)
                    .find_map(|_| {
                        let bound = UdpSocket::bind(from).ok();
                        std::thread::sleep(std::time::Duration::from_millis(if bound.is_some() { 0 } else { 10 }));
                        bound
                    })
                    .expect("binds");
                let to: SocketAddr = to.parse().expect("an address");
                socket.send_to(b"hello", to).expect("there is a route");
                let mut packet = [0; 2048];
                // The kernel itself says hello over IPv6: not ours.
                (0..20).find(|_| {
                    let length = io::Read::read(&mut &tun, &mut packet).expect("a packet");
                    packet[..length].ends_with(b"hello")
                })
            };
            assert!(check("172.17.0.2:0", "203.0.113.9:53").is_some());
            assert!(check("172.17.0.2:0", "172.17.0.1:53").is_some());
            assert!(check("[fd00:17::2]:0", "[2001:db8::1]:53").is_some());
            // Loopback is the sample's own.
            let own = UdpSocket::bind("127.0.0.1:0").expect("lo is up");
            own.send_to(b"x", own.local_addr().expect("bound")).expect("lo answers");
        })
        .join()
        .expect("the device works");
    }
}
