#!/usr/bin/env python3
"""compare.py benign|standins LABELS.tsv SCAN.json: prints a row an image, and the counts; exits 1 where a bar is missed."""

import collections, json, sys

kind, labels, scan = sys.argv[1:]
expected = dict(line.rstrip("\n").split("\t") for line in open(labels))
found = {}
for result in json.load(open(scan))["results"]:
    name = (result.get("image", {}).get("reference") or result.get("reference")).rsplit(":", 1)[1]
    found[name] = result
counts, wrong = collections.Counter(), 0
for name, label in expected.items():
    result = found.get(name, {})
    disposition = result.get("verdict", {}).get("disposition", "error")
    counts[disposition] += 1
    if disposition != label:
        wrong += 1
        reasons = [reason["text"] for reason in result.get("verdict", {}).get("reasons", [])] or [json.dumps(result.get("error"))]
        print(f"{name}: {disposition}, expected {label}: " + "; ".join(reasons)[:400])
drafts = collections.Counter(f"{f['detector']} ({f['weight']})" for r in found.values() for f in r.get("findings", []) if f["weight"] != "fact")
print(f"{kind}: {len(expected)} images: " + ", ".join(f"{count} {word}" for word, count in sorted(counts.items())))
print("signs and proofs: " + (", ".join(f"{name} {count}" for name, count in drafts.most_common()) or "none"))
if kind == "benign":
    bad = counts["malicious"] or counts["undetermined"] or counts["error"] or counts["suspicious"] > 1
    sys.exit(1 if bad or counts["clean"] < len(expected) - 2 else 0)
sys.exit(1 if wrong else 0)
