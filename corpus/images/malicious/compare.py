#!/usr/bin/env python3
"""compare.py LABELS.tsv SCAN.json [--json FILE]: per category what was found, and a line a miss; exits 1 where a category is below 95 %.

Found: the right category at the expected disposition, or a worse one that the same row of DESIGN's table has.
"""

import argparse, collections, json, sys

BAR = 0.95
ORDER = ["clean", "risky", "suspicious", "malicious"]
# The worst that a category's row of the table allows; the rest may be `malicious`.
WORST = {"embedded-secret": "risky", "hacking-tool": "risky", "proxy-avoidance": "risky", "newly-registered-domain": "suspicious", "dynamic-dns": "suspicious"}
OUTCOMES = ["found", "wrong category", "too low", "too high", "missed"]


def worst(category, expected, variant):
    """A declared miner must stay `risky`; an impersonator without more stays `suspicious`."""
    if expected == "risky" and category in ("cryptominer", "proxyware"):
        return "risky"
    if category == "impersonation" and expected == "suspicious" and variant != "deleted":
        return "suspicious"
    return WORST.get(category, "malicious")


def outcome(category, expected, variant, verdict):
    disposition, found = verdict.get("disposition", "error"), category in verdict.get("categories", [])
    if disposition not in ORDER or disposition == "clean":
        return "missed"
    if not found:
        return "wrong category"
    if ORDER.index(disposition) < ORDER.index(expected):
        return "too low"
    return "too high" if ORDER.index(disposition) > ORDER.index(worst(category, expected, variant)) else "found"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("labels")
    parser.add_argument("scan")
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    verdicts = {}
    for result in json.load(open(arguments.scan))["results"]:
        reference = result.get("image", {}).get("reference") or result.get("reference") or ""
        verdict = result.get("verdict") or {"disposition": "error", "reasons": [{"text": json.dumps(result.get("error"))}]}
        # By full reference, by the layout's tag, or by the number that both end in (for a registry of another name).
        verdicts[reference] = verdicts[reference.rsplit(":", 1)[-1]] = verdict
    counts, variants, misses = collections.defaultdict(collections.Counter), collections.defaultdict(collections.Counter), []
    for line in open(arguments.labels, encoding="utf-8"):
        name, category, expected, variant, description, reference = line.rstrip("\n").split("\t")
        verdict = verdicts.get(name) or verdicts.get(reference) or verdicts.get(reference.rsplit(":", 1)[-1]) or {}
        what = outcome(category, expected, variant, verdict)
        counts[category][what] += 1
        variants[variant]["found" if what == "found" else "lost"] += 1
        if what != "found":
            misses.append({
                "name": name, "category": category, "variant": variant, "standin": description.split(":")[0], "outcome": what, "expected": expected,
                "disposition": verdict.get("disposition", "not scanned"), "categories": verdict.get("categories", []), "reasons": [reason["text"] for reason in verdict.get("reasons", [])][:3]})
    for miss in misses:
        print(f"{miss['outcome']}: {miss['category']}/{miss['standin']} ({miss['variant']}) {miss['name']}: {miss['disposition']} [{', '.join(miss['categories'])}], expected {miss['expected']}: " + "; ".join(miss["reasons"])[:200])
    print(f"\n{'category':<26}{'images':>7}" + "".join(f"{word:>16}" for word in OUTCOMES) + f"{'share':>9}")
    rows = []
    for category, count in sorted(counts.items()):
        total = sum(count.values())
        rows.append({"category": category, "images": total, **{word.replace(" ", "_"): count[word] for word in OUTCOMES}, "share": round(count["found"] / total, 4)})
        print(f"{category:<26}{total:>7}" + "".join(f"{count[word]:>16}" for word in OUTCOMES) + f"{count['found'] / total:>9.1%}" + ("" if count["found"] >= BAR * total else "  below the bar"))
    print(f"\n{'variant':<26}{'images':>7}{'found':>16}{'share':>9}")
    for variant, count in variants.items():
        print(f"{variant:<26}{sum(count.values()):>7}{count['found']:>16}{count['found'] / sum(count.values()):>9.1%}")
    if arguments.json:
        with open(arguments.json, "w") as out:
            json.dump({"bar": BAR, "categories": rows, "variants": {name: dict(count) for name, count in variants.items()}, "misses": misses}, out, indent=1)
            out.write("\n")
    below = [row["category"] for row in rows if row["found"] < BAR * row["images"]]
    sys.exit(1 if below or not rows else 0)


if __name__ == "__main__":
    main()
