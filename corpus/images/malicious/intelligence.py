"""The threat intelligence the evaluation imports before it scans: what `badurl`, `baddomain`, `badip` and `young` made in the bodies.

One indicator goes to one feed, so that each importer counts. Every file also has entries that no image contacts.
"""

import csv, hashlib, io, json, uuid

from values import domain

FIRST_SEEN = "2026-11-10 08:15:00"


def write(folder, intelligence):
    folder.mkdir(parents=True, exist_ok=True)
    bad = sorted(value for kind, value in intelligence if kind != "young")
    feeds = {"urlhaus.csv": urlhaus, "threatfox.csv": threatfox, "hosts.txt": hosts, "misp-event.json": misp, "stix-bundle.json": stix}
    dealt = {name: [] for name in feeds}
    for value in bad:
        # URLhaus lists URLs and a hosts file only names; the rest take turns.
        fits = [n for n in feeds if (n != "urlhaus.csv" or "/" in value) and (n != "hosts.txt" or not ("/" in value or value.replace(".", "").isdigit()))]
        dealt[min(fits, key=lambda name: len(dealt[name]))].append(value)
    for name, maker in feeds.items():
        spare = [domain(f"{name} {i}") for i in range(5)]
        (folder / name).write_text(maker(dealt[name], spare))
    young = sorted(value for kind, value in intelligence if kind == "young")
    rows = ["# domain,first-registered-date"] + [f"{name},2026-11-{3 + hashlib.sha256(name.encode()).digest()[0] % 11:02}" for name in young]
    rows += ["example.com,1995-08-14", "github.com,2007-10-09", "debian.org,1999-03-10", "python.org,1995-03-27", "nginx.org,2005-06-19"]
    (folder / "first-registered.csv").write_text("\n".join(rows) + "\n")


def kind_of(value):
    return "url" if "/" in value else "ip" if value.replace(".", "").isdigit() else "domain"


def table(rows):
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(rows)
    return out.getvalue()


def urlhaus(values, spare):
    rows = []
    for i, url in enumerate(values + [f"http://{name}/i" for name in spare]):
        rows.append([str(3100000 + i), FIRST_SEEN, url, "online", "2026-11-14 10:00:00", "malware_download", "elf,mirai", f"https://urlhaus.abuse.ch/url/{3100000 + i}/", "lazaret"])
    return "# URLhaus-shaped, invented for the evaluation\r\n# id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter\r\n" + table(rows)


def threatfox(values, spare):
    rows = []
    for i, value in enumerate(values + spare):
        kind = {"url": "url", "domain": "domain", "ip": "ip:port"}[kind_of(value)]
        rows.append([FIRST_SEEN, str(1500000 + i), value + (":8443" if kind == "ip:port" else ""), kind, "botnet_cc", "elf.zq", "None", "StandIn", "", "75", "None", "standin", "0", "lazaret"])
    head = '# ThreatFox-shaped, invented for the evaluation\r\n# "first_seen_utc","ioc_id","ioc_value","ioc_type","threat_type","fk_malware","malware_alias","malware_printable","last_seen_utc","confidence_level","reference","tags","anonymous","reporter"\r\n'
    return head + table(rows)


def hosts(values, spare):
    return "# hosts file, invented for the evaluation\n127.0.0.1 localhost\n" + "".join(f"0.0.0.0 {name}\n" for name in values + spare)


def misp(values, spare):
    kinds = {"url": "url", "domain": "domain", "ip": "ip-dst"}
    attributes = [{"uuid": str(uuid.uuid5(uuid.NAMESPACE_DNS, value)), "type": kinds[kind_of(value)], "category": "Network activity", "to_ids": True, "value": value, "timestamp": "1762762500", "comment": ""} for value in values + spare]
    event = {"uuid": str(uuid.uuid5(uuid.NAMESPACE_DNS, "lazaret stand-ins")), "info": "Invented indicators of the evaluation", "date": "2026-11-10", "threat_level_id": "2", "analysis": "2", "published": True, "timestamp": "1762762500", "Orgc": {"name": "lazaret", "uuid": str(uuid.uuid5(uuid.NAMESPACE_DNS, "lazaret"))}, "Attribute": attributes}
    return json.dumps({"Event": event}, indent=1) + "\n"


def stix(values, spare):
    kinds = {"url": "url:value", "domain": "domain-name:value", "ip": "ipv4-addr:value"}
    time, objects = "2026-11-10T08:15:00.000Z", []
    for value in values + spare:
        name = str(uuid.uuid5(uuid.NAMESPACE_DNS, "indicator " + value))
        objects.append({"type": "indicator", "spec_version": "2.1", "id": f"indicator--{name}", "created": time, "modified": time, "valid_from": time, "indicator_types": ["malicious-activity"], "pattern_type": "stix", "pattern": f"[{kinds[kind_of(value)]} = '{value}']"})
    return json.dumps({"type": "bundle", "id": f"bundle--{uuid.uuid5(uuid.NAMESPACE_DNS, 'lazaret stand-ins')}", "objects": objects}, indent=1) + "\n"
