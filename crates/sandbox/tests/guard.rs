//! The second guard of the network: here the first one is missing on purpose, the programs run in a namespace of ours with a loopback.
#![expect(clippy::disallowed_methods, reason = "starts the programs that are refused")]

mod cell;

use std::{fs::File, os::fd::AsFd, process::Command};

use cell::Cell;
use sandbox::sensor::guard;

/// Python that says what came of a connection, and of a datagram, to the loopback.
const TRY: &str = r"
import socket
tcp = socket.socket(); udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for call in (lambda: tcp.connect(('127.0.0.1', 9)), lambda: udp.sendto(b'x', ('127.0.0.1', 9))):
    try: call(); print('went')
    except PermissionError: print('refused')
    except ConnectionRefusedError: print('went')
";

/// A process that holds a network namespace of its own, with its loopback up.
struct Elsewhere(std::process::Child);

impl Elsewhere {
    fn new() -> Self {
        let mut child = Command::new("unshare")
            .args(["--net", "sh", "-c", "ip link set lo up; echo up; exec sleep 60"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("unshare runs");
        let mut line = String::new();
        let output = std::io::BufReader::new(child.stdout.take().expect("piped"));
        std::io::BufRead::read_line(&mut { output }, &mut line).expect("it says so");
        assert_eq!(line.trim(), "up");
        Self(child)
    }

    fn namespace(&self) -> File {
        File::open(format!("/proc/{}/ns/net", self.0.id())).expect("it is there")
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn tried(cell: &Cell, within: Option<u32>) -> String {
    let output = match within {
        Some(process) => {
            let target = process.to_string();
            cell.command("nsenter").args(["--net", "-t", &target, "/usr/bin/python3", "-c", TRY]).output()
        }
        None => cell.command("/usr/bin/python3").args(["-c", TRY]).output(),
    };
    String::from_utf8(output.expect("runs").stdout).expect("text")
}

#[test]
fn what_leaves_through_another_namespace_is_refused_and_counted() {
    let (cell, own, other) = (Cell::new(), Elsewhere::new(), Elsewhere::new());
    let guard = guard::attach(cell.id(), own.namespace().as_fd()).expect("attaches");

    assert_eq!(tried(&cell, Some(own.0.id())), "went\nwent\n", "its own namespace is its own");
    assert_eq!(guard.total(), 0);

    assert_eq!(tried(&cell, Some(other.0.id())), "refused\nrefused\n");
    assert_eq!(guard.refused(), [("connect", 1), ("send", 1), ("packet", 0)]);

    drop(guard);
    assert_eq!(tried(&cell, Some(other.0.id())), "went\nwent\n", "nothing stays attached");
}

#[test]
fn packets_of_a_raw_socket_are_refused_too() {
    let (cell, own, other) = (Cell::new(), Elsewhere::new(), Elsewhere::new());
    let guard = guard::attach(cell.id(), own.namespace().as_fd()).expect("attaches");
    assert!(guard.packets());
    let script = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 253)\n\
                  try: s.sendto(b'x' * 20, ('127.0.0.1', 0))\nexcept PermissionError: print('refused')";
    let target = other.0.id().to_string();
    let output = cell.command("nsenter").args(["--net", "-t", &target, "/usr/bin/python3", "-c", script]).output();
    assert_eq!(String::from_utf8_lossy(&output.expect("runs").stdout), "refused\n");
    assert_eq!(guard.refused()[2], ("packet", 1), "{:?}", guard.refused());
}
