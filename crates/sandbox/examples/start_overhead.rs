//! Measures how long it takes from the decision to run a sample until its first instruction, layers already unpacked.
//!
//! `start_overhead FOLDER` writes its layers below FOLDER. The sample is `busybox true`; it counts from before `prepare` until the kernel has
//! closed the start channel at `execve`. Median, best and worst of 20, for both kinds of isolation.

use std::{fs, io, path::Path};

use model::Digest;
use sandbox::{
    internet::device::Address,
    launch::{CaptureBudget, Isolation, Limits, Plan, Store, Surroundings, UnpackLimits, prepare},
    record::boot_ns,
};

const ROUNDS: usize = 20;

#[expect(clippy::print_stdout, reason = "it is a measurement, for people")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("start_overhead FOLDER")?;
    let store = Store::open(Path::new(&folder))?;
    let busybox = fs::read("/bin/busybox")?;
    let mut layers = Vec::new();
    // As many layers as an ordinary image has.
    for number in 0..8 {
        let mut tar = tar::Builder::new(Vec::new());
        let mut add = |path: &str, mode: u32, bytes: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(mode);
            tar.append_data(&mut header, path, bytes)
        };
        add(&format!("opt/{number}"), 0o644, b"x")?;
        if number == 0 {
            add("bin/true", 0o755, &busybox)?;
            add("etc/passwd", 0o644, b"root:x:0:0:root:/root:/bin/sh\n")?;
        }
        let tar = tar.into_inner()?;
        let digest = Digest::of(&tar);
        layers.push(store.layer(&digest, || Ok(Box::new(io::Cursor::new(tar))), &UnpackLimits::default())?);
    }
    for isolation in [Isolation::Namespace, Isolation::Rootless] {
        let plan = Plan {
            layers: layers.clone(),
            command: vec!["/bin/true".to_owned()],
            environment: Vec::new(),
            folder: "/".to_owned(),
            user: String::new(),
            hostname: "f00dcafe1234".to_owned(),
            isolation,
            limits: Limits::default(),
            planted: Vec::new(),
            surroundings: Surroundings {
                cores: 8,
                memory_bytes: 16 << 30,
                uptime_seconds: 864_000,
                clock_shift_seconds: 0,
            },
            network: Some(Address::of_container(0)),
            notify: None,
        };
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let before = boot_ns();
            let mut prepared = prepare(&plan)?;
            let _tun = prepared.take_tun();
            let ready = boot_ns();
            let running = prepared.start()?;
            let started = boot_ns();
            running.wait(std::time::Duration::from_secs(5));
            let _ = running.finish(&CaptureBudget::default());
            times.push((started - before, ready - before, boot_ns() - started));
        }
        times.sort_unstable();
        let ms = |ns: u64| ns as f64 / 1e6;
        let (total, ready, after) = times[ROUNDS / 2];
        println!(
            "{:<10} first instruction after {:.1} ms (median of {ROUNDS}; prepare {:.1} ms; best {:.1}, worst {:.1}); removed {:.1} ms after",
            isolation.name(),
            ms(total),
            ms(ready),
            ms(times[0].0),
            ms(times[ROUNDS - 1].0),
            ms(after)
        );
    }
    Ok(())
}
