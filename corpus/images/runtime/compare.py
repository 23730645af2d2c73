#!/usr/bin/env python3
"""What of the stand-ins was found, and what of the honest images was accused.

    compare.py EXPECTED.tsv REPORTS              REPORTS: a folder of `lazaret detonate --format json` reports, or one JSON file of a scan
    compare.py EXPECTED.tsv REPORTS --against OTHER   the same for a second run (rootless): names every image of another disposition
    compare.py EXPECTED.tsv SCAN.json --static   prints `static.tsv`: what static analysis alone says of each stand-in

Exits 1 where a bar is missed: every stand-in at its disposition or worse and in one of its categories; no honest image `suspicious`,
`malicious`, `undetermined` or without a report; a second run that differs in more than three images.
"""

import argparse, collections, json, sys
from pathlib import Path

ORDER = ["clean", "risky", "suspicious", "malicious"]
DIFFERENT_MAX = 3
COLUMNS = "tag name kind category expect needs static about".split()


def subjects(path):
    return [dict(zip(COLUMNS, line.rstrip("\n").split("\t"))) for line in open(path, encoding="utf-8") if line.strip()]


def reports(path):
    """Reports by tag; what is no report of one image (a log, half a file) is named and left out."""
    found = {}
    for file in sorted(path.glob("*.json")) if path.is_dir() else [path]:
        try:
            content = json.loads(file.read_text())
        except (OSError, ValueError) as error:
            print(f"{file}: {error}", file=sys.stderr)
            continue
        for report in content.get("results", [content]):
            reference = report.get("image", {}).get("reference") or report.get("reference") or ""
            found[reference.rsplit(":", 1)[-1]] = report
    return found


def judged(report):
    return (report or {}).get("verdict", {}).get("disposition", "no report")


def why(report):
    """The findings that are more than facts, worst first as the report has them."""
    told = list(dict.fromkeys(f["detector"] for f in (report or {}).get("findings", []) if f.get("weight") != "fact"))
    return ", ".join(told[:5]) or "nothing"


def outcome(subject, report):
    disposition = judged(report)
    if subject["kind"] == "benign":
        return "quiet" if disposition in ("clean", "risky") else "false alarm" if disposition in ORDER else disposition
    if disposition not in ORDER:
        return disposition
    if disposition == "clean":
        return "missed"
    if ORDER.index(disposition) < ORDER.index(subject["expect"]):
        return "too low"
    return "found" if set(subject["category"].split("|")) & set(report["verdict"].get("categories", [])) else "wrong category"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("expected", type=Path)
    parser.add_argument("reports", type=Path)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--static", action="store_true")
    parser.add_argument("--quiet", action="store_true", help="only what is wrong")
    arguments = parser.parse_args()
    all_subjects, have = subjects(arguments.expected), reports(arguments.reports)
    if arguments.static:
        for subject in all_subjects:
            if subject["kind"] == "standin":
                print(f"{subject['name']}\t{judged(have.get(subject['tag']))}")
        return

    counts, wrong = collections.defaultdict(collections.Counter), 0
    unseen = collections.Counter()
    for subject in all_subjects:
        report = have.get(subject["tag"])
        result = outcome(subject, report)
        counts[subject["kind"]][result] += 1
        good = result in ("found", "quiet")
        wrong += not good
        if subject["kind"] == "standin" and subject["static"] in ("clean", "risky"):
            unseen[good] += 1
        if not good or not arguments.quiet:
            verdict = (report or {}).get("verdict", {})
            needs = f" (needs {subject['needs']})" if subject["needs"] != "-" and not good else ""
            print(f"{'  ' if good else '! '}{subject['kind']:8}{subject['name']:20}{result:15}{judged(report):13}expected {subject['expect']:11}"
                  f"{subject['category']} | {','.join(verdict.get('categories', []))} | {why(report)}{needs}")
    for kind, results in counts.items():
        print(f"{kind}: {sum(results.values())}: " + ", ".join(f"{count} {word}" for word, count in results.most_common()))
    print(f"invisible to static analysis: {sum(unseen.values())}, of them found {unseen[True]}")
    missed = ["not all as expected"] if wrong else []
    if arguments.against:
        other = reports(arguments.against)
        different = [s for s in all_subjects if judged(have.get(s["tag"])) != judged(other.get(s["tag"]))]
        for subject in different:
            print(f"differs: {subject['name']}: {judged(have.get(subject['tag']))} and {judged(other.get(subject['tag']))}")
        if len(different) > DIFFERENT_MAX:
            missed.append(f"{len(different)} images differ between the two runs, at most {DIFFERENT_MAX} may")
    print("bars: " + ("all met" if not missed else "MISSED: " + "; ".join(missed)))
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
