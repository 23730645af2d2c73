"""Reads a feed over TAXII with taxii2-client: discovery, paging, manifest, one object. Prints what is wrong; exit 1 if anything is."""

import json
import sys

import requests
from stix2validator import ValidationOptions, validate_string
from taxii2client.v21 import Server, as_pages

url, facts = sys.argv[1], json.loads(sys.argv[2])
wrong = []


def expect(held, *what):
    if not held:
        wrong.append(" ".join(str(part) for part in what)[:2000])


server = Server(f"{url}/taxii2/")
expect(server.title == facts["name"], server.title)
[root] = server.api_roots
expect(server.default.url == root.url, server.default.url)
expect(root.versions == ["application/taxii+json;version=2.1"], root.versions)
collections = {collection.title: collection for collection in root.collections}
expect(set(collections) == {"All entries", "To block"}, collections)
for title, count in (("All entries", facts["entries"]), ("To block", facts["stable"])):
    collection = collections[title]
    expect(collection.can_read and not collection.can_write, title)
    objects = [one for page in as_pages(collection.get_objects, per_request=37) for one in page.get("objects", [])]
    expect(len({one["id"] for one in objects}) == len(objects), title, "objects come twice")
    expect(sum(one["type"] == "indicator" for one in objects) == count, title, len(objects))
    manifest = [one for page in as_pages(collection.get_manifest, per_request=50) for one in page.get("objects", [])]
    expect([(one["id"], one["version"]) for one in manifest] == [(one["id"], one["modified"]) for one in objects], title, "manifest")
    referred = {one[key] for one in objects for key in ("source_ref", "target_ref", "created_by_ref") if key in one}
    expect(referred <= {one["id"] for one in objects}, title, "refers to what it does not have")

collection = collections["All entries"]
objects = collection.get_objects()["objects"]
bundle = {"type": "bundle", "id": "bundle--6b1f0e52-9c3d-4a7e-b821-57d4c06a93e5", "objects": objects[:200]}
result = validate_string(json.dumps(bundle), ValidationOptions(version="2.1"))
expect(result.is_valid, [str(error) for error in result.errors])

indicator = next(one for one in objects if one["type"] == "indicator")
again = collection.get_object(indicator["id"])["objects"]
expect(again == [indicator], "an object alone", again)
versions = collection.object_versions(indicator["id"])["versions"]
expect(versions == [indicator["modified"]], versions)
some = collection.get_objects(type=["malware", "identity"])["objects"]
expect({one["type"] for one in some} == {"malware", "identity"}, some)
expect(collection.get_objects(added_after="2099-01-01T00:00:00Z") == {"more": False}, "objects of the future")

accept = {"Accept": "application/taxii+json;version=2.1"}
page = requests.get(collection.objects_url, params={"limit": 5}, headers=accept)
manifest = requests.get(collection.url + "manifest/", params={"limit": 5}, headers=accept)
dates = [one["date_added"] for one in manifest.json()["objects"]]
expect(page.headers["X-TAXII-Date-Added-First"] == min(dates), page.headers)
expect(page.headers["X-TAXII-Date-Added-Last"] == max(dates), page.headers)
expect(page.headers["Content-Type"] == "application/taxii+json;version=2.1", page.headers)
post = requests.post(collection.objects_url, data="{}", headers=accept | {"Content-Type": "application/taxii+json;version=2.1"})
expect(post.status_code == 403 and post.json()["http_status"] == "403", post.text)
print("\n".join(wrong[:10]))
sys.exit(bool(wrong))
