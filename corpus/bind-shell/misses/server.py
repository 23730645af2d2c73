import socket, subprocess
s = socket.socket()
s.bind(('', 80))
s.listen(5)
c, a = s.accept()
print(c.recv(100))
subprocess.run(['sh', '-c', 'true'])
