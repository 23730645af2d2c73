//! The sensors, on real programs.

mod cell;

use std::sync::Arc;

use cell::Cell;
use model::What;
use sandbox::{Recorder, sensor};

#[test]
fn bpf_smoke() {
    let cell = Cell::new();
    let recorder = Arc::new(Recorder::new(None));
    let start = std::time::Instant::now();
    let bpf = sensor::bpf::attach(cell.id(), Arc::clone(&recorder)).expect("attaches");
    println!("attach {:?}", start.elapsed());
    let out = cell.shell("cd /tmp; echo hello > lz-x; cat lz-x; ln -s lz-x lz-y; chmod 755 lz-x; mv lz-x lz-z; rm -f lz-y ./lz-z; cp /bin/true lz-t; ./lz-t; rm lz-t; /nonexist; kill -0 $$; exit 3");
    println!("{out}");
    let counts = bpf.finish();
    for event in recorder.take() {
        println!("{}", serde_json::to_string(&event).unwrap());
    }
    println!("{counts:?}");
}
