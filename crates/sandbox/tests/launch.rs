//! The launcher as a whole: what a sample finds inside, and what is left of it.

mod launching;

use launching::{BOTH, shell, store_folder};
use model::EndReason;

#[test]
fn a_sample_finds_what_an_engine_would_give_it() {
    let store = store_folder();
    for isolation in BOTH {
        let line = "echo $0 $$; pwd; hostname; id; env; ls -la / /dev; cat /proc/self/status /proc/self/mountinfo /proc/uptime /proc/meminfo; ls /proc /sys; exit 7";
        let (output, reason) = shell(store.path(), isolation, line);
        println!("{output}");
        assert_eq!(reason, EndReason::Exited { code: 7 });
    }
}
