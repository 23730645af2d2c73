import random, socket
SERVERS = ['stun.one-sample.org', 'stun.two-sample.org']
while True:
    s.sendto(HEADER + random.randbytes(12), (random.choice(SERVERS), 3478))
    print(s.recv(100))
