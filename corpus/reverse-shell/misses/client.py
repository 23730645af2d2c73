import socket, subprocess
s = socket.create_connection(("203.0.113.9", 80))
s.connect(("203.0.113.9", 80))
s.sendall(b"GET / HTTP/1.0\r\n\r\n")
subprocess.run(["sh", "-c", "true"])
