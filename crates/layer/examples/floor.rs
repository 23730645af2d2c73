//! Times the floor and what stands on it: inflating one layer and nothing else, and [`layer::stream_layer`] with a
//! visitor that reads everything.
//!
//! `cargo run --release -p layer --example floor -- LAYER.tar.gz [ROUNDS]` prints the best round of each in MB/s of
//! uncompressed bytes (10^6).

use std::{fs::File, io::Read, process::ExitCode};

#[expect(clippy::disallowed_methods, reason = "measures time")]
fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = std::time::Instant::now();
    let result = work();
    (start.elapsed().as_secs_f64(), result)
}

fn read_all(mut reader: impl Read, buffer: &mut [u8]) -> std::io::Result<u64> {
    let mut all = 0;
    loop {
        match reader.read(buffer)? {
            0 => return Ok(all),
            bytes => all += bytes as u64,
        }
    }
}

#[expect(clippy::disallowed_types, reason = "the floor is what this decoder does, unbounded")]
fn inflate(path: &str, buffer: &mut [u8]) -> std::io::Result<u64> {
    let file = std::io::BufReader::with_capacity(256 << 10, File::open(path)?);
    read_all(flate2::read::MultiGzDecoder::new(file), buffer)
}

fn stream(path: &str, buffer: &mut [u8]) -> std::io::Result<u64> {
    let blob = File::open(path)?;
    let outcome = layer::stream_layer(blob, &layer::Limits::default(), &|| 0.0, |_, content| {
        let _ = read_all(content, buffer);
    });
    match outcome.diff_id {
        Some(_) => Ok(outcome.unpacked_bytes),
        None => Err(std::io::Error::other(format!("{:?}", outcome.problems))),
    }
}

#[expect(clippy::cast_precision_loss, clippy::print_stdout, reason = "prints rounded figures")]
fn run(path: &str, rounds: u32) -> std::io::Result<()> {
    let mut buffer = vec![0; 256 << 10];
    let mut best = [f64::INFINITY; 2];
    let mut bytes = [0; 2];
    for _ in 0..rounds {
        for (number, work) in [inflate, stream].into_iter().enumerate() {
            let (seconds, result) = timed(|| work(path, &mut buffer));
            bytes[number] = result?;
            best[number] = best[number].min(seconds);
        }
    }
    let [floor, ours] = [0, 1].map(|number: usize| bytes[number] as f64 / best[number] / 1e6);
    println!("floor         {floor:8.1} MB/s  flate2 MultiGzDecoder, one thread");
    println!("stream_layer  {ours:8.1} MB/s  inflate + tar + DiffID, every content read");
    println!("ratio         {:8.2}", ours / floor);
    Ok(())
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (path, rounds) = (arguments.next(), arguments.next().and_then(|rounds| rounds.parse().ok()).unwrap_or(3));
    let result = path.ok_or_else(|| std::io::Error::other("name a gzip layer")).and_then(|path| run(&path, rounds));
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
