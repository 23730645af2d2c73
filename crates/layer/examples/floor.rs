//! The floors that `make bench` measures a scan against: each does one thing to a file and ends.
//!
//! `cargo run --release -p layer --example floor -- WHAT FILE`, where WHAT is
//!
//! - `inflate`: flate2's `MultiGzDecoder` over a gzip layer, one thread, nothing else;
//! - `stream`: [`layer::stream_layer`] with a visitor that reads everything: inflate, DiffID, tar;
//! - `files`: the same, hashing each file;
//! - `hash`: SHA-256 of the file as it is.

use std::{fs::File, io, io::Read, process::ExitCode};

use model::Hasher;

fn for_each_piece(mut reader: impl Read, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(()),
            count => take(buffer.get(..count).unwrap_or_default()),
        }
    }
}

fn stream(file: File, mut take: impl FnMut(&mut dyn Read)) -> io::Result<()> {
    let outcome = layer::stream_layer(file, &layer::Limits::default(), &|| 0.0, |_, content| take(content));
    match outcome.diff_id {
        Some(_) => Ok(()),
        None => Err(io::Error::other(format!("{:?}", outcome.problems))),
    }
}

fn run(what: &str, path: &str) -> io::Result<()> {
    let file = File::open(path)?;
    match what {
        #[expect(clippy::disallowed_types, reason = "the floor is what this decoder does, unbounded")]
        "inflate" => for_each_piece(flate2::read::MultiGzDecoder::new(io::BufReader::new(file)), |_| ()),
        "hash" => {
            let mut hasher = Hasher::new();
            for_each_piece(file, |piece| hasher.update(piece))?;
            std::hint::black_box(hasher.finish());
            Ok(())
        }
        "stream" => stream(file, |content| drop(for_each_piece(content, |_| ()))),
        "files" => stream(file, |content| {
            let mut hasher = Hasher::new();
            let _ = for_each_piece(content, |piece| hasher.update(piece));
            std::hint::black_box(hasher.finish());
        }),
        _ => Err(io::Error::other("WHAT is inflate, stream, files or hash")),
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let result = match (arguments.next(), arguments.next()) {
        (Some(what), Some(path)) => run(&what, &path),
        _ => Err(io::Error::other("floor WHAT FILE")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "a program for people")]
            {
                eprintln!("floor: {error}");
            }
            ExitCode::FAILURE
        }
    }
}
