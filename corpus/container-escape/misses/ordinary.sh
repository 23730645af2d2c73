#!/bin/sh
cat /proc/sys/kernel/core_pattern
nsenter -t "$pid" -n ip addr
docker run --rm -v "$PWD:/src" builder make
