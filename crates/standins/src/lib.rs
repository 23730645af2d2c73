//! Small harmless programs that look and act like each class of threat, to try detectors and sandboxes on.
//!
//! | program | imitates | what it really does |
//! |---|---|---|
//! | `standin-miner` | a cryptocurrency miner | logs in to a pool on loopback, keeps a core a little warm |
//! | `standin-flooder` | a DDoS tool | sends at most 1,000 packets to loopback |
//! | `standin-dropper` | a downloader | fetches a file from loopback, deletes it unused, runs `true` |
//! | `standin-shell` | a reverse shell | sends a banner to loopback, runs nothing |
//! | `standin-reader` | a credential stealer | counts the bytes of credential files under a folder it is given |
//!
//! All of them speak to loopback addresses only (an address, never a name, so that nothing is resolved), and
//! end by themselves within [`SECONDS_MAX`]: [`begin`] starts a watchdog before anything else.

use std::{
    net::{SocketAddr, TcpStream},
    process::ExitCode,
    thread,
    time::Duration,
};

/// No stand-in runs longer.
pub const SECONDS_MAX: u64 = 30;
/// Exit code when the watchdog ended it.
pub const EXIT_WATCHDOG: i32 = 124;
/// Exit code for wrong arguments and for targets that are not loopback.
pub const EXIT_REFUSED: u8 = 2;
/// Longest wait for a peer on loopback.
pub const PEER_WAIT_MAX: Duration = Duration::from_secs(2);

/// Starts the watchdog, runs `act` with the arguments and says how it went. Each program's `main` is this call.
pub fn begin(act: impl FnOnce(&Arguments) -> Result<String, String>) -> ExitCode {
    thread::spawn(|| {
        thread::sleep(Duration::from_secs(SECONDS_MAX));
        std::process::exit(EXIT_WATCHDOG);
    });
    let result = Arguments::parse(std::env::args().skip(1)).and_then(|arguments| act(&arguments));
    #[expect(
        clippy::print_stdout,
        clippy::print_stderr,
        reason = "these are programs of their own, with no other output"
    )]
    match result {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("refused: {text}");
            ExitCode::from(EXIT_REFUSED)
        }
    }
}

/// `--name value` or `--name=value`, in any order.
#[derive(Debug)]
pub struct Arguments(Vec<(String, String)>);

impl Arguments {
    /// # Errors
    ///
    /// In words, what is not of that form.
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut pairs = Vec::new();
        while let Some(argument) = arguments.next() {
            let name = argument.strip_prefix("--").ok_or_else(|| format!("{argument:?} is no --option"))?;
            match name.split_once('=') {
                Some((name, value)) => pairs.push((name.to_owned(), value.to_owned())),
                None => {
                    let value = arguments.next().ok_or_else(|| format!("--{name} needs a value"))?;
                    pairs.push((name.to_owned(), value));
                }
            }
        }
        Ok(Self(pairs))
    }

    /// The value of `--name`.
    ///
    /// # Errors
    ///
    /// In words, if it was not given.
    pub fn get(&self, name: &str) -> Result<&str, String> {
        self.find(name).ok_or_else(|| format!("--{name} is needed"))
    }

    /// A number, at most `max`; `default` if it was not given.
    ///
    /// # Errors
    ///
    /// In words, if it is no number.
    pub fn number(&self, name: &str, default: u64, max: u64) -> Result<u64, String> {
        let number = self.find(name).map_or(Ok(default), str::parse);
        number.map(|number| number.min(max)).map_err(|_| format!("--{name} must be a number"))
    }

    /// `IP:port` on loopback, with or without a scheme in front and a path behind.
    ///
    /// # Errors
    ///
    /// In words, for anything but a loopback address: other addresses, names (even `localhost`), nothing.
    pub fn loopback(&self, name: &str) -> Result<SocketAddr, String> {
        loopback(self.get(name)?)
    }

    fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn loopback(target: &str) -> Result<SocketAddr, String> {
    let rest = target.split_once("://").map_or(target, |(_, rest)| rest);
    let address = rest.split('/').next().unwrap_or_default();
    match address.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        Ok(_) => Err(format!("{target} is not a loopback address")),
        Err(_) => Err(format!("{target} is not a loopback IP:port")),
    }
}

/// Connects to a peer on loopback, with time limits on everything.
///
/// # Errors
///
/// In words, if nobody listens there, or it is not loopback.
pub fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    if !address.ip().is_loopback() {
        return Err(format!("{address} is not a loopback address"));
    }
    #[expect(clippy::disallowed_methods, reason = "a stand-in for tests and the demo; loopback only, checked above")]
    let connected = TcpStream::connect_timeout(&address, PEER_WAIT_MAX);
    connected
        .and_then(|stream| {
            stream.set_read_timeout(Some(PEER_WAIT_MAX))?;
            stream.set_write_timeout(Some(PEER_WAIT_MAX))?;
            Ok(stream)
        })
        .map_err(|error| format!("{address}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_are_spoken_to() {
        for target in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "stratum+tcp://127.0.0.1:1", "http://127.0.0.1:1/a"] {
            assert!(loopback(target).is_ok(), "{target}");
        }
        for target in [
            "",
            "127.0.0.1",
            "localhost:1",
            "192.0.2.1:1",
            "0.0.0.0:1",
            "[::ffff:192.0.2.1]:1",
            "[2001:db8::1]:1",
            "http://127.0.0.1@192.0.2.1:1/",
            "http://pool.example:1/127.0.0.1:1",
        ] {
            assert!(loopback(target).is_err(), "{target}");
        }
    }
}
