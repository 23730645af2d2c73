#!/bin/sh
nc -z -w 2 203.0.113.9 443 && /bin/sh /opt/start.sh
socat tcp-listen:80,fork tcp:203.0.113.9:8080
