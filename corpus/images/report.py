#!/usr/bin/env python3
"""report.py BENIGN.json MALICIOUS.json --history FILE --table FILE --picture FILE: the figures of one evaluation as a table and a
picture, and one line more in the history."""

import argparse, html, json, subprocess

WORDS = ("found", "too_high", "wrong_category", "too_low", "missed")
COLOURS = {"found": "#2f7d5d", "too_high": "#7a5195", "wrong_category": "#c9a227", "too_low": "#d9822b", "missed": "#b3382c"}
MEANING = {"found": "found, at its disposition", "too_high": "worse than it is", "wrong_category": "another category", "too_low": "milder than it is", "missed": "nothing"}
ROW, LEFT, WIDTH = 22, 190, 520


def picture(benign, categories, history):
    names = list(categories)
    height = 96 + ROW * len(names) + 150
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 140} {height}" font-family="system-ui, sans-serif" font-size="13">',
           f'<rect width="100%" height="100%" fill="#fff"/><text x="16" y="26" font-size="17" font-weight="600">Malicious images found, by category</text>']
    x = 16
    for word in WORDS:
        out.append(f'<rect x="{x}" y="40" width="12" height="12" fill="{COLOURS[word]}"/><text x="{x + 17}" y="51" fill="#444">{MEANING[word]}</text>')
        x += 40 + 6.7 * len(MEANING[word])
    for row, name in enumerate(names):
        counts, y, x = categories[name], 70 + ROW * row, LEFT
        of = sum(counts[word] for word in WORDS) or 1
        out.append(f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end">{html.escape(name)}</text>')
        for word in WORDS:
            wide = WIDTH * counts[word] / of
            if wide:
                out.append(f'<rect x="{x:.1f}" y="{y}" width="{wide:.1f}" height="{ROW - 6}" fill="{COLOURS[word]}"/>')
            x += wide
        out.append(f'<text x="{LEFT + WIDTH + 8}" y="{y + 13}" fill="#444">{counts["found"]} of {of}</text>')
    mark = LEFT + WIDTH * 0.95
    bottom = 70 + ROW * len(names)
    out.append(f'<line x1="{mark}" x2="{mark}" y1="66" y2="{bottom}" stroke="#222" stroke-dasharray="3 3"/><text x="{mark}" y="{bottom + 12}" text-anchor="middle" fill="#444" font-size="11">bar: 95 %</text>')
    y = bottom + 44
    out.append(f'<text x="16" y="{y}" font-size="17" font-weight="600">Honest images</text>')
    total = sum(benign["clean_labelled"].values()) + sum(benign["dual_use"].values())
    colours = {"clean": "#2f7d5d", "risky": "#c9a227", "suspicious": "#d9822b", "malicious": "#b3382c", "undetermined": "#777", "error": "#222"}
    for row, (name, counts) in enumerate((("one purpose", benign["clean_labelled"]), ("dual use", benign["dual_use"]))):
        x, top = LEFT, y + 14 + ROW * row
        of = sum(counts.values()) or 1
        out.append(f'<text x="{LEFT - 8}" y="{top + 13}" text-anchor="end">{name}</text>')
        for word, colour in colours.items():
            wide = WIDTH * counts.get(word, 0) / of
            if wide:
                out.append(f'<rect x="{x:.1f}" y="{top}" width="{wide:.1f}" height="{ROW - 6}" fill="{colour}"/>')
            x += wide
        out.append(f'<text x="{LEFT + WIDTH + 8}" y="{top + 13}" fill="#444">{counts.get("clean", 0)} of {of} clean</text>')
    told = ", ".join(f"{benign['clean_labelled'].get(word, 0) + benign['dual_use'].get(word, 0)} {word}" for word in ("clean", "risky", "suspicious", "malicious", "undetermined"))
    out.append(f'<text x="16" y="{y + 76}" fill="#444">{total} images: {told}. True rate of `malicious` below {benign["bounds"]["malicious"]:.1%} (95 %).</text>')
    out.append(f'<text x="16" y="{y + 94}" fill="#777" font-size="11">Evaluation {len(history)}: {html.escape(history[-1]["date"])}, {html.escape(history[-1]["commit"])}</text></svg>')
    return "\n".join(out) + "\n"


def table(benign, malicious, history):
    lines = ["# Evaluation", "", "Written by `make eval`; what the words mean is in `SPECIFICATION.md`. The picture: [eval.svg](eval.svg).", "",
             "| category | images | found | worse than it is | another category | milder than it is | missed |", "|---|---|---|---|---|---|---|"]
    for name, counts in malicious["categories"].items():
        of = sum(counts[word] for word in WORDS) or 1
        lines.append(f"| {name} | {of} | {counts['found']} ({counts['found'] / of:.0%}) | {counts['too_high']} | {counts['wrong_category']} | {counts['too_low']} | {counts['missed']} |")
    lines += ["", "| honest images | images | clean | risky | suspicious | malicious | undetermined |", "|---|---|---|---|---|---|---|"]
    for name, counts in (("one purpose", benign["clean_labelled"]), ("dual use", benign["dual_use"])):
        lines.append(f"| {name} | {sum(counts.values())} | " + " | ".join(str(counts.get(word, 0)) for word in ("clean", "risky", "suspicious", "malicious", "undetermined")) + " |")
    if malicious.get("misses"):
        lines += ["", "Not found as they must be:", ""]
        lines += [f"- {miss['category']}/{miss['standin']}, {miss['variant']}: {miss['disposition']}, expected {miss['expected']}" for miss in malicious["misses"]]
    lines += ["", "| evaluation | commit | malicious found | honest clean | honest malicious |", "|---|---|---|---|---|"]
    for entry in history[-20:]:
        lines.append(f"| {entry['date']} | {entry['commit']} | {entry['found']} of {entry['malicious']} | {entry['clean']} of {entry['honest']} | {entry['false']} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("benign", "malicious", "--history", "--table", "--picture"):
        parser.add_argument(name, **({"required": True} if name.startswith("-") else {}))
    arguments = parser.parse_args()
    benign, malicious = json.load(open(arguments.benign)), json.load(open(arguments.malicious))
    malicious["categories"] = {one["category"]: one for one in malicious["categories"]}
    date, commit = subprocess.run(["git", "log", "-1", "--format=%cs %h"], check=True, capture_output=True, text=True).stdout.split()
    try:
        history = [json.loads(line) for line in open(arguments.history)]
    except FileNotFoundError:
        history = []
    counts = malicious["categories"].values()
    entry = {"date": date, "commit": commit, "found": sum(one["found"] for one in counts), "malicious": sum(sum(one[word] for word in WORDS) for one in counts),
             "clean": benign["clean_labelled"].get("clean", 0), "honest": sum(benign["clean_labelled"].values()),
             "false": benign["clean_labelled"].get("malicious", 0) + benign["dual_use"].get("malicious", 0)}
    history = [old for old in history if old["commit"] != commit] + [entry]
    with open(arguments.history, "w") as out:
        out.writelines(json.dumps(line) + "\n" for line in history)
    with open(arguments.table, "w") as out:
        out.write(table(benign, malicious, history))
    with open(arguments.picture, "w") as out:
        out.write(picture(benign, malicious["categories"], history))


if __name__ == "__main__":
    main()
