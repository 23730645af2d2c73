#!/bin/sh
mkdir -p /dev/net && mknod /dev/net/tun c 10 200
exec dnsmasq --no-daemon --port 53
