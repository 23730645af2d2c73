//! `harbour [ADDRESS] [OCI_LAYOUT]`: serves a registry on loopback until it is told to stop; prints its URL. With a layout, its
//! images are there as `demo/<tag>:latest`.

use std::{net::SocketAddr, path::Path, process::ExitCode};

use harbour::{Harbour, Script};

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the program's output")]
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:5000".to_owned());
    let address = match address.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => address,
        Ok(_) | Err(_) => {
            eprintln!("harbour: {address:?} is not a loopback address; write for example 127.0.0.1:5000");
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
    if let Some(layout) = arguments.next()
        && let Err(error) = harbour.push_layout(Path::new(&layout))
    {
        eprintln!("harbour: {layout} is no OCI layout: {error}");
        return ExitCode::from(1);
    }
    println!("{}", harbour.url());
    loop {
        std::thread::park();
    }
}
