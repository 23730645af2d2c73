"""Reads the forms in a folder with the programs that people will read them with. Prints what is wrong; exit 1 if anything is."""

import csv
import glob
import hashlib
import json
import os
import shutil
import sys
import tempfile
import warnings
import xml.etree.ElementTree

import cel
import feedparser
import jmespath
import jsonschema
import yaml
from pathlib import Path
from pymisp import MISPEvent
from pymisp.tools.feed import feed_meta_generator
from stix2validator import ValidationOptions, validate_file

warnings.simplefilter("ignore")
folder, here = Path(sys.argv[1]), Path(__file__).parent
facts = json.load(open(folder / "facts.json"))
wrong = []


def expect(held, *what):
    if not held:
        wrong.append(" ".join(str(part) for part in what)[:2000])


def shards(pattern):
    found = sorted(glob.glob(str(folder / pattern)))
    expect(found, pattern, "matches nothing")
    return found


def stix():
    options = ValidationOptions(version="2.1", strict=False)
    count = 0
    for path in shards("stix/*.json"):
        result = validate_file(path, options)
        expect(result.is_valid, path, result.fatal)
        for part in result.object_results:
            expect(not part.errors, path, [str(error) for error in part.errors])
            # 103: an id that follows from a name is no random one; two builds must be equal.
            warned = [str(warning) for warning in part.warnings if "{103}" not in str(warning)]
            expect(not warned, path, warned)
        objects = json.load(open(path)).get("objects", [])
        count += sum(one["type"] == "indicator" for one in objects)
    expect(count == facts["entries"], "stix indicators", count)


def misp():
    with tempfile.TemporaryDirectory() as copy:
        copy = Path(copy) / "misp"
        shutil.copytree(folder / "misp", copy)
        ours = json.load(open(copy / "manifest.json"))
        hashes = sorted(open(copy / "hashes.csv").read().split())
        feed_meta_generator(copy)
        theirs = json.load(open(copy / "manifest.json"))
        for manifest in (ours, theirs):
            for one in manifest.values():
                one["timestamp"] = int(one["timestamp"])
                one["analysis"], one["threat_level_id"] = str(one["analysis"]), str(one["threat_level_id"])
                one["Tag"] = [tag["name"] for tag in one["Tag"]]
        expect(ours == theirs, "misp manifest differs", [(ours.get(k), theirs[k]) for k in theirs if ours.get(k) != theirs[k]][:1])
        expect(hashes == sorted(open(copy / "hashes.csv").read().split()), "misp hashes differ")
    digests = 0
    for path in shards("misp/????????-*.json"):
        event = MISPEvent()
        event.load_file(path)
        event.to_feed(with_meta=True)
        for one in event.objects:
            expect(one.name == "container-image" and one.template_uuid == "4aa82e67-ed3d-48a2-8ecd-7a39cf2c3f3c", path)
            known = {"digest", "image-name", "registry", "tag", "os", "architecture"}
            expect({a.object_relation for a in one.attributes} <= known, path)
            digests += len(one.get_attributes_by_relation("digest"))
        digests += len(event.attributes)
    expect(digests == facts["entries"], "misp digests", digests)
    schema = {
        "type": "object", "additionalProperties": False, "required": ["list", "description", "version", "name", "type"],
        "properties": {
            "description": {"type": "string"}, "name": {"type": "string"}, "version": {"type": "integer"},
            "list": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
            "matching_attributes": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
            "type": {"enum": ["string", "substring", "hostname", "cidr", "regex"]},
        },
    }
    jsonschema.validate(json.load(open(folder / "misp-warninglist/list.json")), schema)


def osv():
    schema = json.load(open(here / "osv-schema.json"))
    # The one thing that OSV does not know: an ecosystem of container images.
    ecosystem = schema["$defs"]["ecosystemWithSuffix"]
    ecosystem["pattern"] = ecosystem["pattern"].replace("|GIT)", "|GIT|OCI)")
    expect("|OCI)" in ecosystem["pattern"], "osv: the ecosystem's pattern has changed")
    validator = jsonschema.Draft202012Validator(schema)
    count = 0
    for path in shards("osv/*.jsonl"):
        for line in open(path):
            count += 1
            for error in validator.iter_errors(json.loads(line)):
                expect(False, path, error.json_path, error.message)
    expect(count == facts["entries"], "osv records", count)


def tables():
    rows = 0
    for path in shards("csv/*.csv"):
        with open(path, newline="") as file:
            for row in csv.DictReader(file, strict=True):
                expect(None not in row and None not in row.values(), path, row)
                expect(not any(cell.startswith(tuple("=+-@\t\r")) for cell in row.values()), path, row)
                rows += not path.endswith("recent.csv")
    expect(rows == facts["entries"], "csv rows", rows)


def atom():
    text = open(folder / "changes.atom", "rb").read()
    xml.etree.ElementTree.fromstring(text)
    parsed = feedparser.parse(text)
    expect(not parsed.bozo, "atom", parsed.get("bozo_exception"))
    expect(parsed.version == "atom10" and len(parsed.entries) == min(200, facts["changes"]), "atom entries", len(parsed.entries))
    expect(len({entry.id for entry in parsed.entries}) == len(parsed.entries), "atom: ids come twice")


def documents(pattern):
    return [one for path in shards(pattern) for one in yaml.safe_load_all(open(path))]


def pod(images, volumes=()):
    """Images of an init container, a container and an ephemeral one, and of volumes."""
    spec = {"containers": [{"name": "a", "image": images[0]}]}
    for key, image in zip(("initContainers", "ephemeralContainers"), images[1:]):
        spec[key] = [{"name": key.lower(), "image": image}]
    if volumes:
        spec["volumes"] = [{"name": "v", "image": {"reference": image}} for image in volumes] + [{"name": "w", "emptyDir": {}}]
    return {"spec": spec}


GOOD = "docker.io/library/alpine@sha256:" + "0" * 64


def samples():
    """(pod, which sure digest it names)"""
    for digest in facts["sure"]:
        bad = "registry.example:5000/x/y:tag@" + digest
        yield pod([bad]), digest
        yield pod([GOOD, bad]), digest
        yield pod(["alpine", GOOD, bad]), digest
        yield pod([GOOD], [bad]), digest
    yield pod([GOOD, "alpine", "alpine:3"], [GOOD]), None
    yield pod(["alpine@sha256:abc"]), None


def validating_admission_policy():
    policy = documents("validating-admission-policy/policy.yaml")[1]
    expect(policy["kind"] == "ValidatingAdmissionPolicy", policy["kind"])
    maps = documents("validating-admission-policy/lazaret-digests-*.yaml")

    def evaluate(object, params):
        context = cel.Context(variables={"object": object, "params": params})
        # Kubernetes' own extensions of the language.
        context.add_function("substring", lambda text, start, end=None: text[start:end])
        context.add_function("join", lambda values, by: by.join(values))
        values = {}
        for variable in policy["spec"]["variables"]:
            context.add_variable("variables", values)
            values[variable["name"]] = cel.evaluate(variable["expression"], context)
        context.add_variable("variables", values)
        for validation in policy["spec"]["validations"]:
            if not cel.evaluate(validation["expression"], context):
                return cel.evaluate(validation["messageExpression"], context)
        return None

    for object, digest in samples():
        answers = [answer for answer in (evaluate(object, params) for params in maps) if answer]
        expect(len(answers) == (1 if digest else 0), "admission policy", object, answers)
        expect(not digest or digest in answers[0], "admission policy does not say which", answers)
    for one in maps:
        expect(len(json.dumps(one)) < 1 << 20, "a config map is too large", one["metadata"]["name"])


def kyverno():
    conditions = []
    for policy in documents("kyverno/*.yaml"):
        expect(policy["kind"] == "ClusterPolicy" and len(json.dumps(policy)) < 1_400_000, policy["metadata"])
        deny = policy["spec"]["rules"][0]["validate"]["deny"]
        conditions += deny["conditions"]["any"]
        expect("{{" not in policy["spec"]["rules"][0]["validate"]["message"], "kyverno: a message holds a variable")
    for object, digest in samples():
        images = {}
        for key in ("containers", "initContainers", "ephemeralContainers"):
            for container in object["spec"].get(key, []):
                info = {"name": container["name"]}
                if "@" in container["image"]:
                    info["digest"] = container["image"].split("@")[1]
                images.setdefault(key, {})[container["name"]] = info
        if digest and "volumes" in object["spec"]:
            continue  # The `images` variable knows no volumes.
        denied = False
        for condition in conditions:
            expression = condition["key"].removeprefix("{{").removesuffix("}}").strip()
            found = jmespath.search(expression, {"images": images}) or []
            denied = denied or bool(set(found) & set(condition["value"]))
        expect(denied == bool(digest), "kyverno", object)


def gatekeeper():
    template = documents("gatekeeper/template.yaml")[0]
    expect(template["metadata"]["name"] == template["spec"]["crd"]["spec"]["names"]["kind"].lower(), "gatekeeper: names differ")
    listed = {}
    for one in documents("gatekeeper/lazaret-digests-*.yaml"):
        expect(one["kind"] == template["spec"]["crd"]["spec"]["names"]["kind"], one["metadata"])
        expect(len(json.dumps(one)) < 1_400_000, "a constraint is too large", one["metadata"])
        listed |= one["spec"]["parameters"]["digests"]
    expect(sorted(listed) == sorted(facts["sure"]), "gatekeeper digests")


def falco():
    [[items, rule]] = documents("falco/*.yaml")
    expect(items["list"] == "lazaret_digests" and items["list"] in rule["condition"], rule)
    expect(set(facts["sure"]) <= set(items["items"]), "falco digests")
    expect(all(isinstance(item, str) and item.startswith("sha256:") for item in items["items"]), "falco items")


def zot():
    config = json.load(open(folder / "zot/config.json"))
    policy = config["http"]["accessControl"]["repositories"]["**"]["policies"][0]
    for digest in facts["sure"] + ["sha256:" + "0" * 64, ""]:
        granted = all(cel.evaluate(c["expression"], {"req": {"digest": digest}}) for c in policy["conditions"])
        expect(granted == (digest not in facts["sure"]), "zot", digest)


for check in (stix, misp, osv, tables, atom, validating_admission_policy, kyverno, gatekeeper, falco, zot):
    try:
        check()
    except Exception as error:
        wrong.append(f"{check.__name__}: {type(error).__name__}: {error}")
print("\n".join(wrong[:10]))
sys.exit(bool(wrong))
