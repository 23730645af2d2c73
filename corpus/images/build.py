#!/usr/bin/env python3
"""Builds labelled OCI images from recipes: real Debian, PyPI and npm packages, and our own stand-ins.

Writes one OCI layout with a tag for each image, and `labels.tsv` (name, expected disposition). One base made by
mmdebstrap is shared; each step of a recipe is a layer on top of it. Packages are unpacked as they are; their
maintainer scripts are not run. What was built once for the same recipe is not built again.

    build.py --out FOLDER [--cache FOLDER] [--standins FOLDER] [--set demo|benign|standins|bench|all] [NAME ...]

Needs mmdebstrap, dpkg-deb and apt lists (`apt-get update`); pip and npm for recipes that name them.
"""

import argparse, gzip, hashlib, io, json, os, re, shutil, subprocess, sys, tarfile, tempfile, tomllib
from pathlib import Path

MEDIA = "application/vnd.oci.image."
MERGED = re.compile(r"^(bin|sbin|lib|lib32|lib64|libx32)(/|$)")
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def run(*command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, **options).stdout


class Layout:
    """An OCI image layout folder."""

    def __init__(self, folder):
        self.folder = Path(folder)
        (self.folder / "blobs/sha256").mkdir(parents=True, exist_ok=True)
        (self.folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        index = self.folder / "index.json"
        self.tags = {}
        if index.exists():
            for entry in json.loads(index.read_text())["manifests"]:
                self.tags[entry["annotations"]["org.opencontainers.image.ref.name"]] = entry

    def add(self, data):
        digest = hashlib.sha256(data).hexdigest()
        path = self.folder / "blobs/sha256" / digest
        if not path.exists():
            path.write_bytes(data)
        return {"digest": "sha256:" + digest, "size": len(data)}

    def add_file(self, path, digest):
        """A blob that is a file already, and stays what it is: linked where the file system can, else copied."""
        target = self.folder / "blobs/sha256" / digest
        if not target.exists():
            try:
                os.link(path, target)
            except OSError:
                shutil.copyfile(path, target)
        return {"digest": "sha256:" + digest, "size": path.stat().st_size}

    def tag(self, name, manifest):
        entry = {"mediaType": MEDIA + "manifest.v1+json", **self.add(json.dumps(manifest).encode())}
        entry["annotations"] = {"org.opencontainers.image.ref.name": name}
        entry["platform"] = {"os": "linux", "architecture": "amd64"}
        self.tags[name] = entry
        index = {"schemaVersion": 2, "mediaType": MEDIA + "index.v1+json", "manifests": list(self.tags.values())}
        # All or nothing: somebody may be reading.
        part = self.folder / "index.json.part"
        part.write_text(json.dumps(index))
        part.replace(self.folder / "index.json")


class LayerTar:
    """A layer being written: sorted by nothing, dated 0, owned by root unless said."""

    def __init__(self):
        self.buffer = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.buffer, mode="w", format=tarfile.PAX_FORMAT)
        self.seen = set()

    def put(self, member, content=None):
        name = member.name.removeprefix("./").strip("/")
        # Packages still name /bin and /lib, which a merged base has as links.
        if not member.issym():
            name = MERGED.sub(r"usr/\1\2", name)
        if name in ("", ".") or (name in self.seen and member.isdir()):
            return
        if member.islnk():
            member.linkname = MERGED.sub(r"usr/\1\2", member.linkname.removeprefix("./"))
        self.seen.add(name)
        member.name, member.mtime, member.pax_headers = name, 0, {}
        self.tar.addfile(member, content)

    def file(self, path, data, mode=0o644):
        member = tarfile.TarInfo(path)
        member.size, member.mode = len(data), mode
        self.put(member, io.BytesIO(data))

    def bytes(self):
        self.tar.close()
        return self.buffer.getvalue()


class Builder:
    def __init__(self, arguments):
        self.layout = Layout(arguments.out)
        self.cache = Path(arguments.cache)
        self.standins = Path(arguments.standins) if arguments.standins else None
        self.no_base = arguments.no_base
        self.cache.mkdir(parents=True, exist_ok=True)

    def base(self):
        """The shared base: a minimal Debian of this machine's own release."""
        path = self.cache / "base.tar"
        if not path.exists():
            release = re.search(r"VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text())[1]
            part = path.with_suffix(".part.tar")
            run("mmdebstrap", "--variant=minbase", "--quiet", release, str(part))
            part.rename(path)
        return path

    def status(self):
        """The base's package list, so that apt says what is missing on top of it."""
        path = self.cache / "base.status"
        if not path.exists():
            with tarfile.open(self.base()) as tar:
                path.write_bytes(tar.extractfile("./var/lib/dpkg/status").read())
        return path

    def base_layer(self):
        layer = LayerTar()
        with tarfile.open(self.base()) as tar:
            for member in tar:
                if not (member.ischr() or member.isblk()):
                    layer.put(member, tar.extractfile(member) if member.isreg() else None)
        return layer.bytes()

    def debian(self, packages):
        options = ["-o", f"Dir::State::status={self.status()}", "-o", "APT::Install-Recommends=false"]
        plan = run("apt-get", "-s", "-y", *options, "install", *packages, text=True)
        wanted = re.findall(r"^Inst (\S+) (?:\[.*?\] )?\((\S+)", plan, re.M)
        folder = self.cache / "debs"
        folder.mkdir(exist_ok=True)
        layer, stanzas = LayerTar(), [self.status().read_text()]
        missing = [f"{name}={version}" for name, version in wanted if not self.deb(folder, name, version)]
        if missing:
            run("apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", *missing, cwd=folder)
        for name, version in wanted:
            deb = self.deb(folder, name, version)
            stanzas.append(run("dpkg-deb", "-f", str(deb), text=True).strip() + "\nStatus: install ok installed\n")
            with tarfile.open(fileobj=io.BytesIO(run("dpkg-deb", "--fsys-tarfile", str(deb)))) as tar:
                paths = []
                for member in tar:
                    paths.append("/" + member.name.removeprefix("./").strip("/"))
                    layer.put(member, tar.extractfile(member) if member.isreg() else None)
            self.database(layer, deb, stanzas[-1], paths)
        layer.file("var/lib/dpkg/status", "\n".join(stanzas).encode())
        return layer.bytes()

    @staticmethod
    def database(layer, deb, stanza, paths):
        """What dpkg notes of a package it has unpacked, as far as the package brings it."""
        field = dict(re.findall(r"^(Package|Architecture|Multi-Arch): (\S+)", stanza, re.M))
        suffix = f":{field['Architecture']}" if field.get("Multi-Arch") == "same" else ""
        info = f"var/lib/dpkg/info/{field['Package']}{suffix}"
        with tarfile.open(fileobj=io.BytesIO(run("dpkg-deb", "--ctrl-tarfile", str(deb)))) as tar:
            for member in tar:
                name = member.name.removeprefix("./")
                if name in ("md5sums", "conffiles"):
                    layer.file(f"{info}.{name}", tar.extractfile(member).read())
        paths[:1] = ["/."]
        layer.file(f"{info}.list", "".join(path + "\n" for path in paths).encode())

    @staticmethod
    def deb(folder, name, version):
        return next(iter(folder.glob(f"{name.split(':')[0]}_{version.replace(':', '%3a')}_*.deb")), None)

    def tree(self, folder, prefix):
        layer = LayerTar()
        for path in sorted(folder.rglob("*")):
            member = layer.tar.gettarinfo(path, f"{prefix}/{path.relative_to(folder)}")
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            if member.isreg():
                with open(path, "rb") as content:
                    layer.put(member, content)
            else:
                layer.put(member)
        return layer.bytes()

    def pip(self, packages):
        with tempfile.TemporaryDirectory() as folder:
            run(sys.executable, "-m", "pip", "install", "-q", "--no-compile", "--only-binary=:all:", "--target", folder, *packages)
            return self.tree(Path(folder), "usr/local/lib/python3/dist-packages")

    def npm(self, packages):
        with tempfile.TemporaryDirectory() as folder:
            command = ("npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder)
            run(*command, *packages)
            return self.tree(Path(folder), "usr/local/lib/app")

    def files(self, files):
        layer = LayerTar()
        for file in files:
            if "standin" in file:
                if not self.standins:
                    sys.exit(f"{file['path']}: --standins FOLDER says where the stand-ins were built")
                data = (self.standins / file["standin"]).read_bytes()
            elif file.get("generate") == "private key":
                # Made here, used nowhere, kept only in the cache.
                data = run("openssl", "genpkey", "-algorithm", "RSA", stderr=subprocess.DEVNULL)
            else:
                data = file["text"].lstrip("\n").encode()
            layer.file(file["path"], data, int(str(file.get("mode", "644")), 8))
        return layer.bytes()

    def remove(self, paths):
        layer = LayerTar()
        for path in paths:
            folder, _, name = path.rpartition("/")
            layer.file(f"{folder}/.wh.{name}" if folder else f".wh.{name}", b"")
        return layer.bytes()

    def layer(self, step):
        """One step as a compressed layer, from the cache if it was made before."""
        text = json.dumps(step, sort_keys=True)
        if "debian" in step:
            text += " with dpkg's lists"
        for file in step.get("files", []):
            if "standin" in file and self.standins:
                text += hashlib.sha256((self.standins / file["standin"]).read_bytes()).hexdigest()
        key = hashlib.sha256(text.encode()).hexdigest()[:32]
        packed, diff = self.cache / f"{key}.gz", self.cache / f"{key}.diff_id"
        if not (packed.exists() and diff.exists()):
            makers = {"base": lambda _: self.base_layer(), "debian": self.debian, "pip": self.pip, "npm": self.npm,
                      "files": self.files, "remove": self.remove}
            kind = next(kind for kind in makers if kind in step)
            data = makers[kind](step[kind])
            with open(packed, "wb") as file:
                file.write(gzip.compress(data, step.get("level", 1), mtime=0))
            diff.write_text("sha256:" + hashlib.sha256(data).hexdigest())
        with open(packed, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return packed, digest, diff.read_text()

    def image(self, name, recipe):
        config = {"Env": [PATH, *recipe.get("env", [])], "Cmd": recipe.get("cmd", ["bash"])}
        if "entrypoint" in recipe:
            config["Entrypoint"] = recipe["entrypoint"]
        if "labels" in recipe:
            config["Labels"] = recipe["labels"]
        steps = recipe["steps"] if self.no_base else [{"base": "minbase"}, *recipe["steps"]]
        layers, diff_ids, history = [], [], []
        for step in steps:
            packed, digest, diff_id = self.layer(step)
            layers.append({"mediaType": MEDIA + "layer.v1.tar+gzip", **self.layout.add_file(packed, digest)})
            diff_ids.append(diff_id)
            what = step.get("base", "")
            history.append({"created": "2026-01-01T00:00:00Z", "created_by": step.get("history", self.told(step, what))})
        history.append({"created": "2026-01-01T00:00:00Z", "created_by": f"CMD {json.dumps(config['Cmd'])}", "empty_layer": True})
        body = {"created": "2026-01-01T00:00:00Z", "architecture": "amd64", "os": "linux", "config": config,
                "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": history}
        manifest = {"schemaVersion": 2, "mediaType": MEDIA + "manifest.v1+json",
                    "config": {"mediaType": MEDIA + "config.v1+json", **self.layout.add(json.dumps(body).encode())},
                    "layers": layers}
        self.layout.tag(name, manifest)

    @staticmethod
    def told(step, what):
        for kind, line in (("debian", "RUN apt-get install -y --no-install-recommends "), ("pip", "RUN pip install "), ("npm", "RUN npm install ")):
            if kind in step:
                return line + " ".join(step[kind])
        if "files" in step:
            return "COPY " + " ".join(file["path"] for file in step["files"]) + " /"
        return "RUN rm " + " ".join(step["remove"]) if "remove" in step else "ADD base.tar / # " + what


def shelved(shelves):
    """Name and recipe of each package of each shelf."""
    for shelf in shelves:
        kind = next(kind for kind in ("debian", "pip", "npm") if kind in shelf)
        for package in shelf[kind]:
            # A tag holds no `@` and no `/`.
            name = package.replace("@", "").replace("/", "-").lower()
            steps = ([shelf["base"]] if "base" in shelf else []) + [{kind: [package]}]
            prefix = "" if kind == "debian" else f"{kind}-"
            yield prefix + name, {"set": "benign", "steps": steps, "cmd": shelf.get("cmd", [name]), "expect": shelf.get("expect", "clean")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--cache", default=os.path.expanduser("~/.cache/lazaret-corpus"))
    parser.add_argument("--standins")
    parser.add_argument("--set", default="all", choices=["demo", "benign", "standins", "bench", "all"])
    parser.add_argument("--no-base", action="store_true", help="leave out the base and what needs Debian packages")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    recipes = tomllib.loads((Path(__file__).parent / "recipes.toml").read_text())
    builder = Builder(arguments)
    labels, failed, shelves = [], [], recipes.pop("shelves")
    for name, recipe in [*recipes.items(), *shelved(shelves)]:
        short = recipe.get("expect", "clean")
        if "steps" not in recipe:
            kinds = ("debian", "pip", "npm")
            recipe["steps"] = [{kind: recipe[kind]} for kind in kinds if kind in recipe]
            recipe.setdefault("set", "benign")
        chosen = (arguments.set == "all" and recipe["set"] != "bench") or recipe["set"] == arguments.set or (arguments.set == "demo" and recipe.get("demo"))
        if (arguments.names and name not in arguments.names) or (not arguments.names and not chosen):
            continue
        if arguments.no_base and any("debian" in step for step in recipe["steps"]):
            continue
        print(f"building {name}", file=sys.stderr, flush=True)
        try:
            builder.image(name, recipe)
        except (subprocess.CalledProcessError, OSError) as error:
            # A package that left its registry costs its own image; the count at the end says so.
            print(f"  left out: {error}", file=sys.stderr)
            failed.append(name)
            continue
        labels.append(f"{name}\t{short}\n")
    if failed:
        print(f"{len(failed)} of {len(labels) + len(failed)} could not be built: {', '.join(failed)}", file=sys.stderr)
        if len(failed) * 50 > len(labels):
            sys.exit(1)
    (Path(arguments.out) / "labels.tsv").write_text("".join(labels))


if __name__ == "__main__":
    main()
