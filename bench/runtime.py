#!/usr/bin/env python3
"""runtime.py --bin FOLDER --images OCI_LAYOUT [--at-once N] [--budget SECONDS] [--count N] [--only NAMES] [--starts N] [--isolation KIND] [--reports FOLDER]

Detonates images of `corpus/images/runtime` side by side with an empty catalog, and says: images an hour (static and runtime), how many used
their whole budget, the time from the decision to start until the sample's first instruction (median over all runs, and over `--starts`
runs one after the other), and events lost. `--reports` keeps the JSON for compare.py.
"""

import argparse, concurrent.futures, json, os, statistics, subprocess, sys, tempfile, time
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--bin", type=Path, required=True)
parser.add_argument("--images", type=Path, required=True)
parser.add_argument("--at-once", type=int, default=6)
parser.add_argument("--budget", type=int, default=60)
parser.add_argument("--count", type=int)
parser.add_argument("--only", help="comma-separated names of images")
parser.add_argument("--starts", type=int, default=20)
parser.add_argument("--isolation")
parser.add_argument("--reports", type=Path)
arguments = parser.parse_args()

rows = [line.rstrip("\n").split("\t") for line in open(arguments.images / "expected.tsv") if line.strip()]
# Honest services first: they run until the end of their budget.
rows.sort(key=lambda row: row[2] != "benign")
if arguments.only:
    rows = [row for row in rows if row[1] in arguments.only.split(",")]
if arguments.count:
    rows = rows[: arguments.count]
scratch = tempfile.TemporaryDirectory(prefix="lazaret-runtime-")
store = Path(scratch.name) / "store"
reports = arguments.reports or Path(scratch.name) / "reports"
reports.mkdir(parents=True, exist_ok=True)


def detonate(tag, budget=arguments.budget, out=None):
    out = out or reports / f"{tag}.json"
    command = [arguments.bin / "lazaret", "detonate", "--quiet", "--format", "json", "--output", out, "--store", store, "--budget", budget]
    if arguments.isolation:
        command += ["--isolation", arguments.isolation]
    began = time.monotonic()
    ended = subprocess.run([str(word) for word in command] + [f"oci:{arguments.images}:{tag}"], capture_output=True, timeout=budget * 5 + 120)
    if ended.returncode not in (0, 1, 3):
        print(f"{tag}: exit code {ended.returncode}: {ended.stderr.decode(errors='replace')[-300:]}", file=sys.stderr)
        return None
    report = json.loads(out.read_text())["results"][0]
    return time.monotonic() - began, report


began = time.monotonic()
with concurrent.futures.ThreadPoolExecutor(arguments.at_once) as pool:
    done = [answer for answer in pool.map(lambda row: detonate(row[0]), rows) if answer]
seconds = time.monotonic() - began
ends = [run["end"] for _, report in done for run in report.get("runs", [])]
whole = sum(sum(run["end"]["duration_ms"] for run in report.get("runs", [])) >= arguments.budget * 900 for _, report in done)
seen, lost = (sum(end[key] for end in ends) for key in ("events_seen", "events_lost"))
print(f"throughput: {len(done)} of {len(rows)} images in {seconds:.0f} s, {arguments.at_once} side by side: {len(done) / seconds * 3600:.0f} an hour; {whole} used their whole budget of {arguments.budget} s")
print(f"events: {seen} seen, {lost} lost; escapes refused by the second guard: {sum(end['escapes_refused'] for end in ends)}")
if arguments.starts:
    tag = next(row[0] for row in rows if row[1] == "tiny-sleep")
    starts = []
    while len(starts) < arguments.starts:
        answer = detonate(tag, 4, Path(scratch.name) / "start.json")
        starts += [run["end"]["start_overhead_us"] / 1000 for run in answer[1]["runs"]]
    print(f"start: median of {len(starts)} {statistics.median(starts):.0f} ms, worst {max(starts):.0f} ms (bar 100)")
scratch.cleanup()
