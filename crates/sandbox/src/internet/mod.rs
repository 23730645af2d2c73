//! The simulated internet: a TCP/IP stack on the sandbox's one device, and behind it names, hosts and services.
//!
//! The other end of the sample's `eth0` is a file descriptor here. Every packet of the sample is read from it, every answer is written to it, and
//! **nothing else is ever sent**: no code of this module opens a socket that could carry a byte (the one of [`device`] only configures the device,
//! inside the sandbox), so nothing a sample does can reach a network through it.
//!
//! | part | what it does |
//! |---|---|
//! | [`device`] | makes the device, inside the sandbox |
//! | `stack`, `connection`, `wire` | the loop: packets in, packets out; TCP by `smoltcp`, a socket for each connection |
//! | `packet` | what a packet is; replies of UDP and ICMP |
//! | `hosts`, `names` | who is there: what was asked for by name, what is dialled by address, hardly anything of a scan |
//! | `conversation`, `service`, `services/` | which service answers, by first bytes before the port; one service a file |
//! | `tls`, `authority` | TLS around any service, with certificates for any name |
//! | `flows`, `marks` | what was said, and whether a canary was in it |
//! | `flood`, `sweep`, `distinct` | masses, folded |
//! | `pcapng` | the packets as a file |
//! | [`canaries`] | decoy credentials |

mod authority;
pub mod canaries;
mod connection;
mod conversation;
pub mod device;
mod distinct;
mod flood;
mod flows;
mod hosts;
mod marks;
mod names;
mod packet;
mod pcapng;
mod service;
mod services;
mod stack;
mod sweep;
mod tls;
mod udp;
mod wire;
mod world;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    fs::File,
    io::{self, Write},
    os::fd::OwnedFd,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
};

use model::{Canary, Digest};
use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    sys::eventfd::{EfdFlags, EventFd},
};

pub use authority::{Authority, AuthorityError};

use crate::Recorder;

/// A transport protocol of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// What the internet of one run is like.
pub struct InternetPlan {
    /// Chance: the same seed gives the same addresses, hosts and answers.
    pub seed: u64,
    /// Seconds since 1970 as the sample sees it.
    pub now: u64,
    /// The addresses that [`device::create`] was given.
    pub address: device::Address,
    /// What is looked for in what the sample sends, and handed out by metadata services.
    pub canaries: Vec<Canary>,
    /// Takes the packets as `pcapng`, at most 64 MiB.
    pub pcap: Option<Box<dyn Write + Send>>,
    /// The kernel's counts of the device, for packets that its queue dropped.
    pub statistics: Option<device::Statistics>,
}

impl fmt::Debug for InternetPlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("InternetPlan").field("seed", &self.seed).field("now", &self.now).finish_non_exhaustive()
    }
}

/// What a run's internet saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkCounts {
    /// Packets of the sample that were read.
    pub packets_out: u64,
    /// Packets it was sent.
    pub packets_in: u64,
    /// Packets of the sample that the device's queue dropped, by the kernel's count.
    pub packets_lost: u64,
    /// What was served, by its digest, as far as kept (16 MiB): a file of the run with one of these came from us.
    pub downloads: Vec<(Digest, Vec<u8>)>,
    /// What went wrong on our side, one line.
    pub problem: Option<String>,
}

/// Feeds packets to a stack without a device: each is preceded by its length in two bytes, big-endian. For fuzzing: nothing in them may panic.
///
/// # Errors
///
/// Where no stack can be made.
#[doc(hidden)]
pub fn swallow(packets: &[u8], authority: &Authority) -> io::Result<u64> {
    let nowhere = File::options().read(true).write(true).open("/dev/null")?;
    let recorder = Arc::new(Recorder::new(None));
    let world = world::World::new(1, 1_700_000_000, Vec::new(), authority.clone(), recorder);
    let stack = stack::Stack::new(nowhere, device::Address::default(), world, None);
    Ok(stack.swallow(packets))
}

enum Command {
    Poke(u16, Protocol),
    Stop,
}

/// A running internet.
#[derive(Debug)]
pub struct Internet {
    commands: mpsc::Sender<Command>,
    wake: Arc<EventFd>,
    thread: Option<JoinHandle<NetworkCounts>>,
}

/// Starts answering on `tun`, from a thread of its own, until [`Internet::finish`].
///
/// # Errors
///
/// Where the thread, the capture or the wake-up cannot be made.
pub fn start(tun: OwnedFd, plan: InternetPlan, authority: Authority, recorder: Arc<Recorder>) -> io::Result<Internet> {
    let flags = OFlag::from_bits_retain(fcntl(&tun, FcntlArg::F_GETFL)?);
    fcntl(&tun, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    let capture = plan.pcap.map(pcapng::Capture::new).transpose()?;
    let wake = Arc::new(EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?);
    let (commands, taken) = mpsc::channel();
    let woken = Arc::clone(&wake);
    let thread = thread::Builder::new().name("internet".to_owned()).spawn(move || {
        let world = world::World::new(plan.seed, plan.now, plan.canaries, authority, recorder);
        let stack = stack::Stack::new(File::from(tun), plan.address, world, capture);
        stack.run(&taken, &woken, plan.statistics.as_ref())
    })?;
    Ok(Internet { commands, wake, thread: Some(thread) })
}

impl Internet {
    /// Calls on a port of the sample from outside, speaks a little, and records what comes back. Returns at once; it takes some seconds.
    pub fn poke(&self, port: u16, protocol: Protocol) {
        self.command(Command::Poke(port, protocol));
    }

    /// Reads what the sample still sent, ends all conversations, records them, and says what there was. Comes before the recorder's events are taken.
    #[must_use]
    pub fn finish(mut self) -> NetworkCounts {
        let failed =
            || NetworkCounts { problem: Some("the simulated internet failed".to_owned()), ..NetworkCounts::default() };
        self.stop().unwrap_or_else(failed)
    }

    fn stop(&mut self) -> Option<NetworkCounts> {
        let thread = self.thread.take()?;
        self.command(Command::Stop);
        thread.join().ok()
    }

    fn command(&self, command: Command) {
        // A thread that is gone needs no command.
        let _sent = self.commands.send(command);
        let _woken = self.wake.write(1);
    }
}

impl Drop for Internet {
    fn drop(&mut self) {
        let _counts = self.stop();
    }
}
