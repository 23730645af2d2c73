#!/usr/bin/env python3
"""compare.py benign|standins LABELS.tsv SCAN.json [--detectors FILE] [--json FILE]: what does not end as labelled, and the
counts; exits 1 where a bar is missed.

A label is a disposition, or several that are equally right, joined by `|` (a port scanner: `clean|risky`).
"""

import argparse, collections, json, math, sys

BARS = """benign bars: 0 malicious; at most 1 in 300 suspicious; at least 97 % clean; at most 0.5 % undetermined.
Counted over the images labelled `clean`; those of dual use must be neither malicious nor suspicious more often either."""


def upper_bound(hits, of, confidence=0.95):
    """One-sided Clopper-Pearson upper bound of a rate, by bisection; 0 of 300 bounds it at 1 %."""
    def below(rate):
        return sum(math.comb(of, k) * rate**k * (1 - rate) ** (of - k) for k in range(hits + 1))
    low, high = hits / of, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) > 1 - confidence else (low, middle)
    return high


def read(scan):
    found = {}
    for result in json.load(open(scan))["results"]:
        name = (result.get("image", {}).get("reference") or result.get("reference")).rsplit(":", 1)[1]
        found[name] = result
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, epilog=BARS, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["benign", "standins"])
    parser.add_argument("labels")
    parser.add_argument("scan")
    parser.add_argument("--detectors", help="write how often each detector raised a sign or a proof")
    parser.add_argument("--json", help="write the counts")
    arguments = parser.parse_args()
    expected = dict(line.rstrip("\n").split("\t")[:2] for line in open(arguments.labels))
    found = read(arguments.scan)

    honest, dual, wrong = collections.Counter(), collections.Counter(), 0
    alarms = collections.Counter()
    for name, label in expected.items():
        result = found.get(name, {})
        disposition = result.get("verdict", {}).get("disposition", "error")
        (honest if "|" not in label else dual)[disposition] += 1
        if "|" not in label:
            alarms.update({f["detector"] for f in result.get("findings", []) if f["weight"] != "fact"})
        if disposition not in label.split("|"):
            wrong += 1
            reasons = [reason["text"] for reason in result.get("verdict", {}).get("reasons", [])] or [json.dumps(result.get("error"))]
            print(f"{name}: {disposition}, expected {label}: " + "; ".join(reasons)[:500])
    told = lambda counts: ", ".join(f"{count} {word}" for word, count in sorted(counts.items()))
    print(f"{arguments.kind}: {sum(honest.values())} images: {told(honest)}")
    if dual:
        print(f"  and {sum(dual.values())} of dual use: {told(dual)}")
    print("signs and proofs on images labelled with one word: " + (", ".join(f"{name} {count}" for name, count in alarms.most_common()) or "none"))
    if arguments.kind != "benign":
        sys.exit(1 if wrong else 0)

    of = sum(honest.values())
    everything = honest + dual
    bound = {word: upper_bound(everything[word], of + sum(dual.values())) for word in ("malicious", "suspicious")}
    print("95 % upper bounds of the rates: " + ", ".join(f"{word} {rate:.2%}" for word, rate in bound.items()))
    if arguments.detectors:
        with open(arguments.detectors, "w") as out:
            out.write("# On how many honest images of the corpus each detector raised a sign or a proof: id, images with one, images. `make eval` writes it.\n")
            names = json.load(sys.stdin)["detectors"]
            for name in sorted({entry["id"] for entry in names}):
                out.write(f"{name}\t{alarms[name]}\t{of}\n")
    if arguments.json:
        json.dump({"images": of, "clean_labelled": honest, "dual_use": dual, "bounds": bound}, open(arguments.json, "w"))
    total = of + sum(dual.values())
    missed = [bar for bar, holds in {
        "0 malicious": everything["malicious"] == 0 and everything["error"] == 0,
        "at most 1 in 300 suspicious": everything["suspicious"] * 300 <= max(total, 300),
        "at least 97 % clean": honest["clean"] >= 0.97 * of,
        "at most 0.5 % undetermined": everything["undetermined"] * 200 <= total,
    }.items() if not holds]
    print("bars: " + ("all met" if not missed else "MISSED: " + "; ".join(missed)))
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
