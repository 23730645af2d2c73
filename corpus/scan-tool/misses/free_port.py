"""Finds a free port in a range, as test suites do."""
import socket


def free_port(first=20000, last=20100):
    for port in range(first, last):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise RuntimeError("no port is free")
