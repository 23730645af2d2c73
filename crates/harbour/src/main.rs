//! `harbour [ADDRESS]`: serves an empty registry on loopback until it is told to stop; prints its URL.

use std::{net::SocketAddr, process::ExitCode};

use harbour::{Harbour, Script};

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the program's output")]
fn main() -> ExitCode {
    let argument = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:5000".to_owned());
    let address = match argument.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => address,
        Ok(_) | Err(_) => {
            eprintln!("harbour: {argument:?} is not a loopback address; write for example 127.0.0.1:5000");
            return ExitCode::from(2);
        }
    };
    let harbour = match Harbour::start_on(address, Script::default()) {
        Ok(harbour) => harbour,
        Err(error) => {
            eprintln!("harbour: cannot serve on {address}: {error}; is another registry running?");
            return ExitCode::from(1);
        }
    };
    println!("{}", harbour.url());
    loop {
        std::thread::park();
    }
}
