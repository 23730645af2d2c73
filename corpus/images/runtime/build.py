#!/usr/bin/env python3
"""Builds the subjects of runtime analysis: harmless stand-ins for what attackers' images do when they run, and honest services.

Writes one OCI layout with a tag an image and `expected.tsv` (see README.md for its columns). The stand-ins' tags are neutral.

    build.py --out FOLDER [--cache FOLDER] [--small] [--kind standin|benign] [NAME ...]

`--small`: a dozen images of busybox and C alone, in seconds. It needs gcc with a static libc and busybox-static, installed or from apt.
Everything else needs mmdebstrap and apt lists too, as `../build.py` does.
"""

import argparse, gzip, hashlib, importlib.util, io, json, os, re, shutil, subprocess, sys, tarfile, tomllib
from pathlib import Path

HERE = Path(__file__).parent


def load(name, path):
    specification = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


images = load("images", HERE.parent / "build.py")
values = load("values", HERE.parent / "malicious/values.py")


class MergedTar(images.LayerTar):
    """Links too go where /bin and /lib lead: a folder /lib in a later layer would hide the base's link, and with it the loader."""

    def put(self, member, content=None):
        name = member.name.removeprefix("./").strip("/")
        if member.issym() and "/" in name:
            member.name = images.MERGED.sub(r"usr/\1\2", name)
        super().put(member, content)


images.LayerTar = MergedTar
CREATED = "2026-11-15T09:30:00Z"
MARKER = "usr/share/doc/stand-in/README"
MARKER_TEXT = "This image is a harmless stand-in for a test of runtime analysis. Its programs leave at once where this file is missing.\n"
OS_RELEASE = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nID=debian\n'
APPLETS = """sh ash cat ls mkdir cp mv rm sleep echo true false chmod chown grep sed awk id env date uname head tail tar gzip gunzip zcat base64 wget nc
hostname ps kill killall wc cut tr sort uniq find xargs xxd od dd touch ln printf test expr seq mktemp crond crontab nslookup ping sha256sum md5sum
mknod mount umount telnet ip ifconfig nproc free uptime dmesg rev tee basename dirname stat df du sync timeout setsid whoami httpd""".split()
# What a wallet, spelled `<<NAME>>`, stands for: right checksums, keys nobody has.
WALLETS = {"monero": values.monero(18, "runtime"), "bitcoin": values.base58check(b"\0", "runtime")}
LITERAL = r'"((?:[^"\\]|\\.)*)"'


def fnv(data):
    value = 2166136261
    for byte in data:
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value


def hidden(data, seed, key):
    state, out = seed ^ key, bytearray()
    for byte in data:
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out.append(byte ^ state >> 24)
    return bytes(out)


def numbers(data):
    return "{" + ",".join(map(str, data)) + "}"


class Sources:
    """C and scripts as they go into an image."""

    def __init__(self, cache):
        self.cache = cache

    def text(self, path):
        text = (HERE / path).read_text()
        for name, wallet in WALLETS.items():
            text = text.replace(f"<<{name}>>", wallet)
        return text

    def c(self, name):
        """A static ELF; what stands in HIDE("…") is encoded, and TEXT("…") too in a source that begins with `// hidden`."""
        text = re.sub(r'#include "(\w+\.h)"\n', lambda m: self.text(f"c/{m[1]}"), self.text(f"c/{name}"))
        text = re.sub(r'#include "(\w+\.h)"\n', lambda m: self.text(f"c/{m[1]}"), text)
        key_file = re.search(r"^// key: (\S+)", text, re.M)
        key = fnv(OS_RELEASE.encode() if key_file else b"")
        if key_file:
            text = f'#define KEY_FILE "/{key_file[1]}"\n' + text
        seed = lambda part: int.from_bytes(hashlib.sha256(part).digest()[:4], "little")

        def hide(match):
            plain = json.loads('"' + match[1].replace("\\0", "\\u0000") + '"').encode()
            return f"((char *)reveal((const unsigned char[]){numbers(hidden(plain, seed(plain), key))}, {len(plain)}, {seed(plain)}u))"

        words = "HIDE|TEXT" if text.find("// hidden") >= 0 else "HIDE"
        text = re.sub(rf"\b(?:{words})\({LITERAL}\)", hide, text)
        if embed := re.search(rf"EMBED\({LITERAL}\)", text):
            inner = self.c(embed[1])
            text = text.replace(embed[0], numbers(hidden(inner, seed(inner), key))).replace("EMBED_SEED", f"{seed(inner)}u")
        token = hashlib.sha256(text.encode()).hexdigest()[:32]
        path = self.cache / f"{token}.elf"
        if not path.exists():
            part = path.with_suffix(".part")
            command = ["gcc", "-O1", "-w", "-s", "-static", "-Wl,--build-id=none", "-x", "c", "-", "-o", str(part)]
            subprocess.run(command, input=text.encode(), check=True)
            part.rename(path)
        return path.read_bytes()

    def data(self, file):
        """The bytes of one file of a recipe, and its mode."""
        if "c" in file:
            data, mode = self.c(file["c"]), 0o755
        elif "hidden_c" in file:
            # A source that the sandbox's own compiler builds: encoded as `unwrap.c` expects it.
            data, mode = self.wrapped(self.plain_c(file["hidden_c"])), 0o644
        elif "hidden" in file:
            data, mode = self.wrapped(self.text(file["hidden"]).encode()), 0o644
        elif "source" in file:
            data, mode = self.text(file["source"]).encode(), 0o755
        else:
            data, mode = file["text"].lstrip("\n").encode(), 0o644
        return data, int(str(file["mode"]), 8) if "mode" in file else mode

    def plain_c(self, name):
        text = re.sub(r'#include "(\w+\.h)"\n', lambda m: self.text(f"c/{m[1]}"), self.text(f"c/{name}"))
        text = re.sub(r'#include "(\w+\.h)"\n', lambda m: self.text(f"c/{m[1]}"), text)
        return re.sub(rf"\bHIDE\({LITERAL}\)", lambda m: f'"{m[1]}"', text).encode()

    def variable(self, text):
        """`{hidden:FILE}` in a variable is that file, encoded, in hexadecimal."""
        return re.sub(r"\{hidden:(\S+)\}", lambda m: self.wrapped(self.text(m[1]).encode()).hex(), text)

    @staticmethod
    def wrapped(data):
        return hidden(data, 0x5EED, fnv(b""))


class Builder(images.Builder):
    """Layers as `../build.py` makes and keeps them; beside them the tiny base and the files of one subject."""

    def __init__(self, out, cache, shared):
        super().__init__(argparse.Namespace(out=out, cache=shared, standins=None, no_base=False))
        self.own = cache
        self.sources = Sources(cache)
        self.packed = {}

    def busybox(self):
        """The program: this machine's own if it is static, else Debian's package."""
        for path in map(Path, ("/bin/busybox", "/usr/bin/busybox")):
            if path.exists() and b"ld-linux" not in path.read_bytes():
                return path.read_bytes()
        deb = next(iter(self.own.glob("busybox-static_*.deb")), None)
        if not deb:
            images.run("apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", "busybox-static", cwd=self.own)
            deb = next(self.own.glob("busybox-static_*.deb"))
        with tarfile.open(fileobj=io.BytesIO(images.run("dpkg-deb", "--fsys-tarfile", str(deb)))) as tar:
            return tar.extractfile("./bin/busybox").read()

    def tiny(self):
        layer = images.LayerTar()
        for folder, mode in (("tmp", 0o1777), ("var/tmp", 0o1777), ("root", 0o700), *((f, 0o755) for f in "usr usr/bin usr/sbin etc proc sys dev run srv home var var/log var/spool var/spool/cron var/spool/cron/crontabs".split())):
            member = tarfile.TarInfo(folder)
            member.type, member.mode = tarfile.DIRTYPE, mode
            layer.put(member)
        layer.file("usr/bin/busybox", self.busybox(), 0o755)
        links = [("bin", "usr/bin"), ("sbin", "usr/sbin"), ("etc/os-release", "../usr/lib/os-release"), *((f"usr/bin/{applet}", "busybox") for applet in APPLETS)]
        for path, target in links:
            member = tarfile.TarInfo(path)
            member.type, member.linkname, member.mode = tarfile.SYMTYPE, target, 0o777
            layer.put(member)
        for path, text in (
            ("usr/lib/os-release", OS_RELEASE), ("etc/debian_version", "12.7\n"), ("etc/hostname", "localhost\n"), ("etc/nsswitch.conf", "hosts: files dns\n"),
            ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"), ("etc/group", "root:x:0:\nnogroup:x:65534:\n")):
            layer.file(path, text.encode())
        return layer.bytes()

    def pack(self, key, make):
        """One layer that is kept only for this run."""
        if key not in self.packed:
            data = make()
            descriptor = {"mediaType": images.MEDIA + "layer.v1.tar+gzip", **self.layout.add(gzip.compress(data, 6, mtime=0))}
            self.packed[key] = descriptor, "sha256:" + hashlib.sha256(data).hexdigest()
        return self.packed[key]

    def kept(self, step):
        # The field only keeps these layers apart from those that `../build.py` made of the same step.
        path, digest, diff = self.layer({**step, "links": "merged"})
        return {"mediaType": images.MEDIA + "layer.v1.tar+gzip", **self.layout.add_file(path, digest)}, diff

    def trusted(self, step):
        """The bundle that ca-certificates' own script would make."""
        with tarfile.open(self.layer({**step, "links": "merged"})[0]) as tar:
            return b"".join(tar.extractfile(member).read() for member in tar if member.name.startswith("usr/share/ca-certificates/mozilla/") and member.isreg())

    def subject_files(self, recipe):
        layer = images.LayerTar()
        for step in recipe.get("steps", []):
            if "ca-certificates" in step.get("debian", []):
                layer.file("etc/ssl/certs/ca-certificates.crt", self.trusted(step))
        for file in recipe.get("files", []):
            data, mode = self.sources.data(file)
            layer.file(file["path"], data, mode)
        for pattern, count in recipe.get("many", {}).items():
            for number in range(count):
                layer.file(pattern.format(number), f"Minutes of meeting {number}\n".encode() * (40 + number % 60))
        if recipe["kind"] == "standin":
            layer.file(MARKER, MARKER_TEXT.encode())
        if users := recipe.get("users"):
            with tarfile.open(self.base()) as tar:
                have = [tar.extractfile(f"./etc/{name}").read().decode() for name in ("passwd", "group")]
            layer.file("etc/passwd", (have[0] + "".join(f"{user}:x:{uid}:{uid}::/var/lib/{user}:/bin/sh\n" for user, uid in users.items())).encode())
            layer.file("etc/group", (have[1] + "".join(f"{user}:x:{uid}:\n" for user, uid in users.items())).encode())
        return layer.bytes() if layer.seen else b""

    def subject(self, name, recipe):
        tiny = recipe.get("base", "busybox") == "busybox"
        steps = [self.pack("tiny", self.tiny)] if tiny else [self.kept({"base": "minbase"}), *map(self.kept, recipe.get("steps", []))]
        told = ["ADD rootfs.tar /"] if tiny else ["ADD base.tar /", *(self.told(step, "") for step in recipe.get("steps", []))]
        files = self.subject_files(recipe)
        if files:
            steps.append(self.pack(name, lambda: files))
            told.append("COPY . /")
        config = {"Env": [images.PATH, *map(self.sources.variable, recipe.get("env", []))], "Cmd": recipe["cmd"]}
        if "ports" in recipe:
            config["ExposedPorts"] = {port: {} for port in recipe["ports"]}
        for field in ("User", "WorkingDir"):
            if field.lower() in recipe:
                config[field] = recipe[field.lower()]
        history = [{"created": CREATED, "created_by": line} for line in told]
        history.append({"created": CREATED, "created_by": "CMD " + json.dumps(config["Cmd"]), "empty_layer": True})
        body = {"created": CREATED, "architecture": "amd64", "os": "linux", "config": config,
                "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in steps]}, "history": history}
        manifest = {"schemaVersion": 2, "mediaType": images.MEDIA + "manifest.v1+json",
                    "config": {"mediaType": images.MEDIA + "config.v1+json", **self.layout.add(json.dumps(body).encode())},
                    "layers": [layer for layer, _ in steps]}
        self.layout.tag(tag(name, recipe), manifest)


def tag(name, recipe):
    """A stand-in's tag must not say what it is; an honest image's may."""
    return name if recipe["kind"] == "benign" else "app-" + hashlib.sha256(name.encode()).hexdigest()[:6]


def recipes():
    for kind in ("standin", "benign"):
        for name, recipe in tomllib.loads((HERE / f"{kind}s.toml".replace("benigns", "benign")).read_text()).items():
            yield name, {"kind": kind, **recipe}


def expected(name, recipe, static):
    """One line of `expected.tsv`."""
    benign = recipe["kind"] == "benign"
    return "\t".join((tag(name, recipe), name, recipe["kind"], recipe.get("category", "-"), recipe.get("expect", "clean" if benign else "malicious"), recipe.get("needs", "-"), static.get(name, "-"), recipe["about"])) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("~/.cache/lazaret-corpus").expanduser(), help="shared with ../build.py")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--kind", choices=["standin", "benign"])
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    own = arguments.cache / "runtime"
    own.mkdir(parents=True, exist_ok=True)
    chosen = [(name, recipe) for name, recipe in recipes()
              if (not arguments.names or name in arguments.names) and (not arguments.small or recipe.get("small")) and arguments.kind in (None, recipe["kind"])]
    if unknown := set(arguments.names) - {name for name, _ in chosen}:
        parser.error(f"no such subject: {', '.join(sorted(unknown))}")
    static = dict(line.split("\t") for line in (HERE / "static.tsv").read_text().splitlines())
    builder = Builder(arguments.out, own, arguments.cache)
    for name, recipe in chosen:
        print(f"building {name}", file=sys.stderr, flush=True)
        builder.subject(name, recipe)
    path = arguments.out / "expected.tsv"
    lines = {line.split("\t")[1]: line for line in path.read_text().splitlines(True)} if path.exists() else {}
    lines.update({name: expected(name, recipe, static) for name, recipe in chosen})
    path.write_text("".join(lines.values()))


if __name__ == "__main__":
    main()
