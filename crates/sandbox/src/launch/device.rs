//! The network device of the sandbox, made in its own network namespace.

use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
};

/// Addresses of the device.
#[derive(Debug, Clone)]
pub struct Address {
    /// The last part of `172.17.0.x`.
    pub host: u8,
}

/// Makes the device from an open `/dev/net/tun`.
///
/// # Errors
///
/// The kernel's.
pub fn create(device: BorrowedFd<'_>, address: &Address) -> io::Result<OwnedFd> {
    let _ = address;
    device.try_clone_to_owned()
}
