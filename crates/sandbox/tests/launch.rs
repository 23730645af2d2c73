//! The launcher as a whole: what a sample finds inside, and what is taken from it.

mod launching;

use std::{io::Read, os::fd::OwnedFd, thread, time::Duration};

use launching::{BOTH, Image, attempts, end, helper, helper_folder, plan, run, shell, store_folder};
use model::EndReason;
use sandbox::{
    internet::device::Address,
    launch::{CaptureBudget, Finished, Isolation, LaunchError, Owner, Planted, Store, prepare},
};

fn text(finished: &Finished) -> String {
    String::from_utf8_lossy(&finished.output).into_owned()
}

#[test]
fn a_sample_finds_what_an_engine_would_give_it() {
    let store = store_folder();
    for isolation in BOTH {
        let line = "echo pid=$$ in=$(pwd) host=$(hostname) $(id -u) $HOME $COLOUR; cat /proc/self/status /proc/mounts; \
            cut -d. -f1 /proc/uptime 2>/dev/null || cat /proc/uptime; grep -c ^processor /proc/cpuinfo 2>/dev/null || cat /proc/cpuinfo; \
            cat /sys/devices/system/cpu/online /sys/fs/cgroup/memory.max; ls /dev; cat /proc/kcore /proc/self/cgroup; exit 7";
        let (output, reason) = shell(store.path(), isolation, line);
        assert_eq!(reason, EndReason::Exited { code: 7 }, "{output}");
        for wanted in [
            "pid=1 in=/work/here host=f00dcafe1234 0 /root blue",
            "CapEff:\t00000000a80425fb",
            "CapBnd:\t00000000a80425fb",
            "NoNewPrivs:\t1",
            "Seccomp:\t2",
            "Groups:\t",
            "overlay / overlay rw,nodev",
            "\n8\n0-7\nmax\n",
            "ptmx",
            "0::/\n",
        ] {
            assert!(output.contains(wanted), "{isolation:?}: {wanted:?} is not in {output}");
        }
        assert!(!output.contains("lazaret"), "{isolation:?}: {output}");
    }
}

#[test]
fn the_image_decides_as_whom_and_where_it_runs() {
    let at = store_folder();
    let store = Store::open(at.path()).unwrap();
    for isolation in BOTH {
        let mut plan = plan(vec![Image::busybox().layer(&store)], isolation, &["id"]);
        plan.user = "app:audio".to_owned();
        let finished = run(&plan);
        assert!(text(&finished).starts_with("uid=1000(app) gid=29(audio)"), "{}", text(&finished));
        plan.command =
            ["sh", "-c", "grep Cap /proc/self/status || cat /proc/self/status; touch /home/app/x; echo $HOME"]
                .map(str::to_owned)
                .to_vec();
        plan.user = "1000".to_owned();
        let output = text(&run(&plan));
        assert!(output.contains("CapEff:\t0000000000000000") && output.ends_with("/home/app\n"), "{output}");
    }
}

#[test]
fn what_cannot_run_is_said_in_one_line() {
    let at = store_folder();
    let store = Store::open(at.path()).unwrap();
    let mut image = Image::busybox();
    let mut arm = b"\x7fELF\x02\x01\x01".to_vec();
    arm.resize(64, 0);
    arm[18] = 183;
    image.file("bin/arm", 0o755, &arm);
    image.file("bin/script", 0o755, b"#!/usr/bin/python3\nprint(1)\n");
    image.file("bin/data", 0o755, b"no program");
    image.file("bin/closed", 0o644, b"#!/bin/sh\n");
    let layer = image.layer(&store);
    for isolation in BOTH {
        let why = |command: &[&str], change: fn(&mut sandbox::launch::Plan)| {
            let mut plan = plan(vec![layer.clone()], isolation, command);
            change(&mut plan);
            match prepare(&plan).and_then(|prepared| prepared.start()).map(drop) {
                Err(LaunchError::NotStarted { why }) => why,
                other => panic!("{command:?}: {other:?}"),
            }
        };
        let same: fn(&mut sandbox::launch::Plan) = |_| ();
        assert!(why(&[], same).contains("no command"));
        assert_eq!(why(&["arm"], same), "arm: built for aarch64, this host is x86_64");
        assert_eq!(
            why(&["script"], same),
            "script: its interpreter cannot run: /usr/bin/python3: no such file in the image"
        );
        assert!(why(&["data"], same).contains("neither a program"));
        assert_eq!(why(&["/bin/none"], same), "/bin/none: no such file in the image");
        assert_eq!(why(&["none"], same), "none: no such program in the image's PATH");
        assert!(why(&["closed"], same).contains("not executable"));
        assert!(why(&["/bin"], same).contains("is a folder"));
        assert!(why(&["sh"], |plan| plan.user = "nobody".to_owned()).contains("no user \"nobody\""));
        assert!(why(&["sh"], |plan| plan.folder = "bin/sh".to_owned()).contains("not absolute"));
        assert!(why(&["sh"], |plan| plan.folder = "/bin/busybox/x".to_owned()).contains("working folder"));
        assert!(why(&["sh"], |plan| plan.command.push("a\0b".to_owned())).contains("NUL"));
    }
}

#[test]
fn layers_lie_over_each_other() {
    let at = store_folder();
    let store = Store::open(at.path()).unwrap();
    let mut low = Image::busybox();
    low.file("data/kept", 0o644, b"low")
        .file("data/gone", 0o644, b"low")
        .file("hidden/a", 0o644, b"low")
        .file("same", 0o644, b"low");
    let mut high = Image::default();
    high.file("data/.wh.gone", 0o644, b"")
        .file("hidden/.wh..wh..opq", 0o644, b"")
        .file("hidden/b", 0o644, b"high")
        .file("same", 0o644, b"high");
    let layers = vec![low.layer(&store), high.layer(&store)];
    for isolation in BOTH {
        let finished = run(&plan(layers.clone(), isolation, &["sh", "-c", "ls /data /hidden; cat /same"]));
        assert_eq!(text(&finished), "/data:\nkept\n\n/hidden:\nb\nhigh", "{isolation:?}");
    }
    let output = helper("layers_of_an_ordinary_user", at.path(), Some(65_534)).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
}

#[test]
#[ignore = "the other half of the test above"]
fn layers_of_an_ordinary_user() {
    let store = Store::open(&helper_folder().join("nobodys")).unwrap();
    let mut low = Image::busybox();
    low.file("data/gone", 0o644, b"low")
        .file("hidden/a", 0o644, b"low")
        .folder("closed", 0o000)
        .file("closed/f", 0o000, b"x");
    let mut high = Image::default();
    high.file("data/.wh.gone", 0o644, b"").file("hidden/.wh..wh..opq", 0o644, b"").file("hidden/b", 0o644, b"high");
    let layers = vec![low.layer(&store), high.layer(&store)];
    // One id is mapped; a package manager's or server's change of owners succeeds all the same.
    let line = "ls /data /hidden /closed; cat /closed/f; chown app:audio /hidden/b && echo owned; rm -rf /closed && mkdir /closed; ls /closed; echo end";
    let finished = run(&plan(layers, Isolation::Rootless, &["sh", "-c", line]));
    assert_eq!(text(&finished), "/closed:\nf\n\n/data:\n\n/hidden:\nb\nxowned\nend\n");
}

#[test]
fn planted_files_go_where_the_image_says_and_never_out() {
    let at = store_folder();
    let store = Store::open(at.path()).unwrap();
    let mut image = Image::busybox();
    image
        .link("etc/ssl", "/usr/lib/ssl")
        .folder("usr/lib/ssl", 0o755)
        .link("root", "../../../../../../tmp")
        .link("proc", "/etc");
    let layer = image.layer(&store);
    for isolation in BOTH {
        let mut plan = plan(
            vec![layer.clone()],
            isolation,
            &["sh", "-c", "cat /usr/lib/ssl/ca.pem /tmp/.aws/key; ls /proc/self/exe; echo more >> /tmp/.aws/key"],
        );
        for (path, bytes) in [("/etc/ssl/ca.pem", "certificate "), ("~/.aws/key", "decoy\n"), ("/.dockerenv", "")] {
            plan.planted.push(Planted { path: path.to_owned(), mode: 0o600, owner: Owner::User, bytes: bytes.into() });
        }
        let finished = run(&plan);
        assert_eq!(text(&finished), "certificate decoy\n/proc/self/exe\n");
        let paths: Vec<&str> = finished.captured.iter().map(|(file, _)| file.path.as_str()).collect();
        assert_eq!(paths, ["/tmp/.aws/key"], "only what was changed is the sample's");
    }
}

#[test]
fn files_are_taken_and_links_are_not_followed() {
    let store = store_folder();
    for isolation in BOTH {
        let at = Store::open(store.path()).unwrap();
        let line = "cp /bin/busybox /tmp/true; /tmp/true; rm /tmp/true; \
            echo secret > /tmp/deleted; rm /tmp/deleted; echo kept > /tmp/kept; chmod 000 /tmp/kept; \
            ln -s /etc/shadow /tmp/shadow; ln -s /proc/1/root /tmp/host; mkdir -p /tmp/closed; echo in > /tmp/closed/f; chmod 000 /tmp/closed; \
            dd if=/dev/zero of=/tmp/sparse bs=1 count=1 seek=9000000000 2>/dev/null; mkfifo /tmp/pipe 2>/dev/null || mknod /tmp/pipe p; echo '#!/bin/sh' > /tmp/x.sh; chmod +x /tmp/x.sh; /tmp/x.sh";
        let running =
            prepare(&plan(vec![Image::busybox().layer(&at)], isolation, &["sh", "-c", line])).unwrap().start().unwrap();
        running.wait(Duration::from_secs(10)).expect("it ends");
        let budget = CaptureBudget { file_bytes_max: 4 << 20, ..CaptureBudget::default() };
        let finished = running.finish(&budget);
        let find = |path: &str| finished.captured.iter().find(|(file, _)| file.path == path);
        let (kept, bytes) = find("/tmp/kept").unwrap_or_else(|| {
            panic!(
                "{isolation:?}: {:?} {}",
                finished.captured.iter().map(|(f, _)| f).collect::<Vec<_>>(),
                text(&finished)
            )
        });
        assert_eq!((kept.mode, kept.executed, kept.deleted, &bytes[..]), (0, false, false, &b"kept\n"[..]));
        assert!(find("/tmp/closed/f").is_some());
        assert!(find("/tmp/shadow").is_none() && find("/tmp/host").is_none() && find("/tmp/pipe").is_none());
        let (sparse, bytes) = find("/tmp/sparse").unwrap();
        assert_eq!((sparse.size, bytes.len()), (9_000_000_001, 4 << 20));
        assert!(sparse.cut.is_some());
        if isolation == Isolation::Namespace {
            assert!(find("/tmp/x.sh").unwrap().0.executed);
            let (ran, bytes) = find("/tmp/true").expect("it ran and was deleted");
            assert!(ran.executed && ran.deleted && bytes.starts_with(b"\x7fELF"));
            assert_eq!(find("/tmp/deleted").unwrap().1, b"secret\n");
        }
    }
}

/// Where the sensor sees a call before it is done, it can keep what would be gone.
#[test]
fn a_sensor_can_keep_what_would_be_gone() {
    let at = store_folder();
    let store = Store::open(at.path()).unwrap();
    let program = attempts(at.path());
    let mut image = Image::busybox();
    image.file("attempts", 0o755, &program);
    let layer = image.layer(&store);
    for isolation in BOTH {
        let line = "echo dropped > /tmp/dropped; while [ -e /tmp/dropped ]; do sleep 0.02; rm /tmp/kept && rm /tmp/dropped; done 2>/dev/null; (/attempts memory &) ; sleep 100";
        let running = prepare(&plan(vec![layer.clone()], isolation, &["sh", "-c", line])).unwrap();
        let keeper = running.keeper();
        let running = running.start().unwrap();
        thread::sleep(Duration::from_millis(100));
        keeper.keep("/tmp/dropped", true);
        keeper.keep("/proc/1/root/etc/shadow", false);
        keeper.keep("/tmp/none", true);
        running.run_also(&["touch".to_owned(), "/tmp/kept".to_owned()]).unwrap().start(&running).unwrap();
        let from_memory = || {
            (2..200).find(|&id| {
                let name = keeper.host_pid(id).and_then(|pid| std::fs::read_link(format!("/proc/{pid}/exe")).ok());
                name.is_some_and(|name| name.to_string_lossy().contains("memfd"))
            })
        };
        let process = (0..100)
            .find_map(|_| {
                from_memory().or_else(|| {
                    thread::sleep(Duration::from_millis(20));
                    None
                })
            })
            .expect("it runs from memory");
        assert!(keeper.keep_program(process));
        assert!(!keeper.keep_program(60_000));
        let finished = running.finish(&CaptureBudget::default());
        let find = |path: &str| {
            finished
                .captured
                .iter()
                .find(|(file, _)| file.path == path)
                .unwrap_or_else(|| panic!("{path}: {:?}", finished.problems))
        };
        let (dropped, bytes) = find("/tmp/dropped");
        assert!(dropped.executed && dropped.deleted && bytes == b"dropped\n");
        let (payload, bytes) = find("memfd:payload");
        assert!(payload.executed && *bytes == program);
    }
}

#[test]
fn limits_hold_and_are_named() {
    let at = store_folder();
    let store = Store::open(at.path()).unwrap();
    let layer = Image::busybox().layer(&store);
    let go = |isolation, line: &str| run(&plan(vec![layer.clone()], isolation, &["sh", "-c", line]));
    let names = |finished: &Finished| finished.refused.iter().map(|(what, _)| what.clone()).collect::<Vec<_>>();
    for isolation in BOTH {
        let disk =
            go(isolation, "dd if=/dev/zero of=/tmp/big bs=1M count=100 2>&1; cat /proc/1/status >/dev/null; exit 3");
        assert_eq!(disk.reason, EndReason::Exited { code: 3 });
        assert!(text(&disk).contains("No space left") && names(&disk).contains(&"disk".to_owned()), "{disk:?}");
        let inodes = go(isolation, "i=0; while [ $i -lt 3000 ]; do : > /tmp/f$i || exit 4; i=$((i+1)); done");
        assert!(names(&inodes).contains(&"inodes".to_owned()), "{:?}", inodes.reason);
        let tasks = go(isolation, "i=0; while [ $i -lt 100 ]; do sleep 3 & i=$((i+1)); done 2>&1; exit 5");
        assert!(
            names(&tasks).contains(&"processes".to_owned()) && text(&tasks).contains("fork"),
            "{:?} {}",
            tasks.refused,
            text(&tasks)
        );
        let memory = go(isolation, "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x$x$x; done");
        assert!(memory.reason != EndReason::Stopped, "{:?}", memory.reason);
    }
}

#[test]
fn limits_hold_without_a_cgroup() {
    let at = store_folder();
    let output = helper("limits_of_an_ordinary_user", at.path(), Some(65_534)).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
}

#[test]
#[ignore = "the other half of the test above"]
fn limits_of_an_ordinary_user() {
    let store = Store::open(&helper_folder().join("nobodys")).unwrap();
    let layer = Image::busybox().layer(&store);
    let go = |line: &str| run(&plan(vec![layer.clone()], Isolation::Rootless, &["sh", "-c", line]));
    let tasks = go("i=0; while [ $i -lt 100 ]; do sleep 3 & i=$((i+1)); done 2>&1; exit 5");
    assert!(text(&tasks).contains("fork"), "{tasks:?}");
    let memory = go("x=aaaaaaaaaaaaaaaa; while :; do x=$x$x$x$x; done");
    assert!(!matches!(memory.reason, EndReason::Stopped | EndReason::Exited { code: 0 }), "{memory:?}");
    let line = "i=0; while [ $i -lt 20 ]; do (x=aaaaaaaa; while [ ${#x} -lt 30000000 ]; do x=$x$x; done; sleep 9) & i=$((i+1)); done; sleep 9; exit 0";
    let together = go(line);
    assert_eq!(together.reason, EndReason::Limit { what: "memory".to_owned() }, "{together:?}");
    let running = prepare(&plan(vec![layer.clone()], Isolation::Rootless, &["sh", "-c", "while :; do :; done"]))
        .unwrap()
        .start()
        .unwrap();
    running.wait(Duration::from_millis(400));
    let usage = running.usage();
    assert!(usage.cpu_ms > 50 && usage.memory_bytes > 0 && usage.tasks == 1, "{usage:?}");
}

#[test]
fn the_network_is_one_device_whose_other_end_we_hold() {
    let store = store_folder();
    let layer = Image::busybox().layer(&Store::open(store.path()).unwrap());
    for isolation in BOTH {
        let line = "cat /proc/net/dev /proc/net/route; busybox ip link; busybox ping -c 1 -W 1 203.0.113.9; busybox nc -w 1 198.51.100.7 81 2>&1; sleep 1";
        let mut plan = plan(vec![layer.clone()], isolation, &["sh", "-c", line]);
        plan.network = Some(Address::of_container(3));
        let mut prepared = prepare(&plan).unwrap();
        let tun: OwnedFd = prepared.take_tun().expect("a device");
        let running = prepared.start().unwrap();
        let packets = thread::spawn(move || {
            let mut tun = std::fs::File::from(tun);
            let mut seen = Vec::new();
            for _ in 0..200 {
                let mut packet = [0; 2_000];
                match tun.read(&mut packet) {
                    Ok(bytes) if bytes > 20 && packet[0] >> 4 == 4 => {
                        seen.push((packet[9], [packet[16], packet[17], packet[18], packet[19]]))
                    }
                    _ => thread::sleep(Duration::from_millis(20)),
                }
            }
            seen
        });
        let finished = end(running, Duration::from_secs(8));
        let packets = packets.join().unwrap();
        assert!(text(&finished).contains("eth0") && text(&finished).contains("qlen 4096"), "{}", text(&finished));
        assert!(packets.contains(&(1, [203, 0, 113, 9])), "{isolation:?}: {packets:?} {}", text(&finished));
        assert!(packets.contains(&(6, [198, 51, 100, 7])), "{isolation:?}: {packets:?} {}", text(&finished));
    }
}

/// Nobody serves the sensor's descriptor: the kernel then answers `ENOSYS`, which proves that the filter stands.
#[test]
fn the_sensors_filter_is_installed_and_its_descriptor_handed_over() {
    let store = store_folder();
    let layer = Image::busybox().layer(&Store::open(store.path()).unwrap());
    let step = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let program = vec![
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, libc::SYS_sethostname as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_USER_NOTIF),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    for isolation in BOTH {
        let mut plan = plan(vec![layer.clone()], isolation, &["sh", "-c", "hostname other 2>&1; sleep 5"]);
        plan.notify = Some(program.clone());
        let mut prepared = prepare(&plan).unwrap();
        drop(prepared.take_notify().expect("a descriptor"));
        assert!(prepared.take_notify().is_none());
        let running = prepared.start().unwrap();
        let mut also = running.run_also(&["hostname".to_owned(), "third".to_owned()]).unwrap();
        drop(also.take_notify().expect("another"));
        also.start(&running).unwrap();
        running.wait(Duration::from_millis(500));
        let finished = running.finish(&CaptureBudget::default());
        assert_eq!(text(&finished).matches("Function not implemented").count(), 2, "{}", text(&finished));
    }
}

#[test]
fn another_process_can_be_run_beside() {
    let store = store_folder();
    let layer = Image::busybox().layer(&Store::open(store.path()).unwrap());
    for isolation in BOTH {
        let mut plan = plan(
            vec![layer.clone()],
            isolation,
            &["sh", "-c", "while ! [ -e /tmp/done ]; do sleep 0.05; done; ls -l /proc/2 >/dev/null; exit 9"],
        );
        plan.user = "app".to_owned();
        let running = prepare(&plan).unwrap().start().unwrap();
        let command = ["sh", "-c", "echo $$ $(id -u) $(pwd) $(hostname); grep -h CapEff /proc/self/status || cat /proc/self/status; echo > /tmp/done"].map(str::to_owned);
        running.run_also(&command).unwrap().start(&running).unwrap();
        assert!(matches!(running.run_also(&["none".to_owned()]), Err(LaunchError::NotStarted { .. })));
        assert_eq!(running.wait(Duration::from_secs(5)), Some(EndReason::Exited { code: 9 }));
        let output = text(&running.finish(&CaptureBudget::default()));
        assert!(
            output.contains(" 1000 /work/here f00dcafe1234") && output.contains("CapEff:\t0000000000000000"),
            "{output}"
        );
    }
}

#[test]
fn many_run_at_once() {
    let store = store_folder();
    thread::scope(|scope| {
        for number in 0..12 {
            let store = &store;
            scope.spawn(move || {
                let (output, reason) = shell(store.path(), BOTH[number % 2], &format!("echo {number}; exit {number}"));
                assert_eq!(output, format!("{number}\n"));
                assert_eq!(reason, EndReason::Exited { code: i32::try_from(number).unwrap() });
            });
        }
    });
}

#[test]
fn use_is_counted_and_killing_ends_it() {
    let store = store_folder();
    let layer = Image::busybox().layer(&Store::open(store.path()).unwrap());
    for isolation in BOTH {
        let running =
            prepare(&plan(vec![layer.clone()], isolation, &["sh", "-c", "while :; do :; done & while :; do :; done"]))
                .unwrap()
                .start()
                .unwrap();
        assert_eq!(running.wait(Duration::from_millis(400)), None);
        let usage = running.usage();
        assert!(usage.cpu_ms > 50 && usage.memory_bytes > 0 && usage.tasks == 2, "{usage:?}");
        running.kill();
        let finished = running.finish(&CaptureBudget::default());
        assert_eq!(finished.reason, EndReason::Stopped);
        assert!(finished.usage.cpu_ms >= usage.cpu_ms);
    }
}
