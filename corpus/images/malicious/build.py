#!/usr/bin/env python3
"""Builds the malicious side of the evaluation corpus: inert stand-ins for every category, each in nine variants.

Writes one OCI layout with a tag an image, `labels.tsv` (name, category, expected disposition, variant, description, full reference)
and `skipped.tsv` (variants that make no sense, and why). See README.md for the rules that keep it harmless.

    build.py --out FOLDER [--cache FOLDER] [--category NAME] [--reveal FOLDER | --intel FOLDER]

Needs gcc, binutils, openssl, ssh-keygen and apt lists (for busybox-static, the one real program in the images).
"""

import argparse, collections, gzip, hashlib, importlib.util, io, json, os, re, shlex, subprocess, sys, tarfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from model import HERE, Reader
from mutate import VARIANTS
import intelligence

specification = importlib.util.spec_from_file_location("images", HERE.parent / "build.py")
images = importlib.util.module_from_spec(specification)
specification.loader.exec_module(images)

# Young domains of `intel/` are at most two weeks older than this.
CREATED = "2026-11-15T09:30:00Z"
MEDIA = images.MEDIA
OS_RELEASE = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nID=debian\n'
APPLETS = "sh bash cat ls mkdir cp mv rm sleep echo true chmod grep sed awk id env date uname head tail tar gzip gunzip zcat base64".split()
# What an image seems to be built from: a program of that name that does nothing, its variables, and what it starts.
RUNTIMES = {
    "debian": ([], [], ["bash"]),
    "python": (["usr/local/bin/python3.11", "usr/bin/python3", "usr/bin/pip3"], ["PYTHON_VERSION=3.11.10", "LANG=C.UTF-8"], ["python3"]),
    "php": (["usr/local/bin/php", "usr/local/sbin/php-fpm", "usr/local/bin/apache2-foreground"], ["PHP_VERSION=8.2.24", "PHP_INI_DIR=/usr/local/etc/php"], ["apache2-foreground"]),
    "node": (["usr/local/bin/node", "usr/local/bin/npm"], ["NODE_VERSION=20.18.0", "YARN_VERSION=1.22.22"], ["node"]),
    "perl": (["usr/bin/perl"], ["PERL_VERSION=5.36.0"], ["perl"]),
    "nginx": (["usr/sbin/nginx"], ["NGINX_VERSION=1.27.2"], ["nginx", "-g", "daemon off;"]),
    "redis": (["usr/local/bin/redis-server"], ["REDIS_VERSION=7.4.1"], ["redis-server"]),
    "java": (["opt/java/openjdk/bin/java"], ["JAVA_HOME=/opt/java/openjdk", "JAVA_VERSION=jdk-17.0.12+7"], ["java", "-version"]),
    "cron": (["usr/sbin/cron"], [], ["cron", "-f"]),
    "sshd": (["usr/sbin/sshd"], [], ["/usr/sbin/sshd", "-D"]),
}


def link(layer, path, target):
    member = tarfile.TarInfo(path)
    member.type, member.linkname, member.mode = tarfile.SYMTYPE, target, 0o777
    layer.put(member)


def base_layer(cache):
    """A tiny Debian: busybox from its package with the package's own records."""
    deb = next(iter(cache.glob("busybox-static_*.deb")), None)
    if not deb:
        images.run("apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", "busybox-static", cwd=cache)
        deb = next(cache.glob("busybox-static_*.deb"))
    layer, sums = images.LayerTar(), []
    with tarfile.open(fileobj=io.BytesIO(images.run("dpkg-deb", "--fsys-tarfile", str(deb)))) as tar:
        for member in tar:
            data = tar.extractfile(member).read() if member.isreg() else None
            if data is not None:
                sums.append(f"{hashlib.md5(data).hexdigest()}  {member.name.removeprefix('./')}\n")
            layer.put(member, io.BytesIO(data) if data is not None else None)
    for path, target in (("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib"), ("lib64", "usr/lib64"), ("etc/os-release", "../usr/lib/os-release")):
        link(layer, path, target)
    for applet in APPLETS:
        link(layer, f"usr/bin/{applet}", "busybox")
    control = images.run("dpkg-deb", "-f", str(deb), text=True).strip()
    for path, text in (
        ("usr/lib/os-release", OS_RELEASE), ("etc/debian_version", "12.7\n"), ("etc/hostname", "localhost\n"),
        ("etc/passwd", "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"),
        ("etc/group", "root:x:0:\ndaemon:x:1:\nwww-data:x:33:\nnogroup:x:65534:\n"), ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
        ("var/lib/dpkg/status", control + "\nStatus: install ok installed\n"), ("var/lib/dpkg/info/busybox-static.md5sums", "".join(sums))):
        layer.file(path, text.encode())
    return layer.bytes()


class Builder:
    def __init__(self, out, cache):
        self.cache, self.reader = cache, Reader(cache)
        self.layout = images.Layout(out)
        # `Layout.tag` writes the whole index every time; here it is written once, at the end.
        self.entries, self.labels, self.skipped = [], [], []
        self.base = self.pack(base_layer(cache))
        self.runtimes = {name: self.pack(self.runtime(name)) for name in RUNTIMES if RUNTIMES[name][0]}

    def pack(self, tar):
        descriptor = {"mediaType": MEDIA + "layer.v1.tar+gzip", **self.layout.add(gzip.compress(tar, 6, mtime=0))}
        return descriptor, "sha256:" + hashlib.sha256(tar).hexdigest()

    def runtime(self, name):
        layer = images.LayerTar()
        for path in RUNTIMES[name][0]:
            program = path.rsplit("/", 1)[-1]
            source = f'#include <stdio.h>\nint main(void) {{ puts("{program}: a placeholder"); return 0; }}\n'
            layer.file(path, self.reader.compile(source, ("-s",)), 0o755)
        return layer.bytes()

    def layer(self, steps):
        layer = images.LayerTar()
        for step in steps:
            if isinstance(step, str):
                folder, _, name = step.rpartition("/")
                layer.file(f"{folder}/.wh.{name}", b"")
            else:
                layer.file(step.path, step.data, step.mode)
        return self.pack(layer.bytes())

    def add(self, standin, variant, change):
        made = change(standin, self.reader)
        if isinstance(made, str) or variant in standin.skip:
            self.skipped.append((standin.category, standin.name, variant, standin.skip.get(variant, made if isinstance(made, str) else "")))
            return
        result, steps = made
        _, variables, start = RUNTIMES[result.runtime]
        what = lambda line, empty=True: {"created": CREATED, "created_by": line, "comment": "buildkit.dockerfile.v0", **({"empty_layer": True} if empty else {})}
        layers, history = [self.base], [what("# debian.sh --arch 'amd64' out/ 'bookworm' '@1728000000'", False)]
        if result.runtime in self.runtimes:
            layers.append(self.runtimes[result.runtime])
            history += [what("ENV " + variable) for variable in variables]
            history.append(what(f"RUN /bin/sh -c set -eux; install {result.runtime}; rm -rf /var/lib/apt/lists/* # buildkit", False))
        history += [what("ENV " + variable) for variable in result.env]
        history += [what(line) for line in result.history]
        for step in steps:
            if not step:
                continue
            layers.append(self.layer(step))
            if all(isinstance(item, str) for item in step):
                history.append(what("RUN /bin/sh -c rm -f " + " ".join("/" + item for item in step) + " # buildkit", False))
            elif variant == "moved" and step is not steps[0]:
                history.append(what(f"RUN /bin/sh -c cd / && mv {' '.join(item.path for item in step[:len(step) // 2])} # buildkit", False))
            else:
                names = [item.path for item in step]
                history.append(what(f"COPY {' '.join(name.rsplit('/', 1)[-1] for name in names)} /{os.path.commonpath(names) if len(names) > 1 else names[0]} # buildkit", False))
        config = {"Env": [images.PATH, *variables, *result.env]}
        for field, value in (("Cmd", result.cmd or (None if result.entrypoint else start)), ("Entrypoint", result.entrypoint), ("Labels", result.labels), ("Healthcheck", result.healthcheck and {"Test": result.healthcheck, "Interval": 30000000000}), ("OnBuild", result.onbuild)):
            if value:
                config[field] = value
        if result.entrypoint:
            history.append(what("ENTRYPOINT " + json.dumps(result.entrypoint)))
        if "Cmd" in config:
            history.append(what("CMD " + json.dumps(config["Cmd"])))
        body = {"created": CREATED, "architecture": "amd64", "os": "linux", "config": config, "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in layers]}, "history": history}
        manifest = {
            "schemaVersion": 2, "mediaType": MEDIA + "manifest.v1+json",
            "config": {"mediaType": MEDIA + "config.v1+json", **self.layout.add(json.dumps(body, ensure_ascii=False).encode())}, "layers": [layer for layer, _ in layers]}
        # A neutral tag: the repository's own name and a number, never the category.
        number = hashlib.sha256(f"{standin.category}/{standin.name}/{variant}".encode()).hexdigest()[:6]
        plain = re.sub(r"[^a-z0-9._-]", "", result.repository.rsplit("/", 1)[-1].lower()) or "app"
        tag, reference = f"{plain}.{number}", f"docker.io/{result.repository}:{number}"
        entry = {"mediaType": MEDIA + "manifest.v1+json", **self.layout.add(json.dumps(manifest).encode()), "platform": {"os": "linux", "architecture": "amd64"}}
        entry["annotations"] = {"org.opencontainers.image.ref.name": tag, "io.containerd.image.name": reference}
        self.entries.append(entry)
        self.labels.append((tag, standin.category, result.expect, variant, f"{standin.name}: {standin.about}", reference))

    def finish(self, out):
        (out / "index.json").write_text(json.dumps({"schemaVersion": 2, "mediaType": MEDIA + "index.v1+json", "manifests": self.entries}))
        for name, rows in (("labels.tsv", self.labels), ("skipped.tsv", self.skipped)):
            (out / name).write_text("".join("\t".join(row) + "\n" for row in rows))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("~/.cache/lazaret-corpus/malicious").expanduser())
    parser.add_argument("--category", action="append")
    parser.add_argument("--reveal", type=Path, help="write the decoded bodies into a folder to read them, and build nothing")
    parser.add_argument("--intel", type=Path, help="write the threat intelligence that goes with the bodies, and build nothing")
    arguments = parser.parse_args()
    if sum(map(bool, (arguments.out, arguments.reveal, arguments.intel))) != 1:
        parser.error("one of --out, --reveal and --intel")
    arguments.cache.mkdir(parents=True, exist_ok=True)
    if arguments.intel:
        reader = Reader(arguments.cache)
        collections.deque(reader.standins(), maxlen=0)
        intelligence.write(arguments.intel, reader.intelligence)
        return
    if arguments.reveal:
        for standin in Reader(arguments.cache).standins():
            for file in standin.files:
                path = arguments.reveal / standin.category / standin.name / file.path.replace("/", "_")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(file.source.encode() or file.data)
        return
    arguments.out.mkdir(parents=True, exist_ok=True)
    builder, bases = Builder(arguments.out, arguments.cache), collections.Counter()
    for standin in builder.reader.standins():
        if arguments.category and standin.category not in arguments.category:
            continue
        bases[standin.category] += 1
        for variant, change in VARIANTS.items():
            builder.add(standin, variant, change)
    builder.finish(arguments.out)
    # Also beside the images, so that the two always belong together.
    intelligence.write(arguments.out / "intel", builder.reader.intelligence)
    for category, count in bases.items():
        print(f"{category}: {count} stand-ins, {sum(row[1] == category for row in builder.labels)} images")
    print(f"{sum(bases.values())} stand-ins, {len(builder.labels)} images, {len(builder.skipped)} variants skipped")


if __name__ == "__main__":
    main()
