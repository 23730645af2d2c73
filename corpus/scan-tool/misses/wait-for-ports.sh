#!/bin/bash
# Waits until the ports of the services are open. No port scan.
for host in db cache queue; do
  for port in 5432 6379 5672; do
    until (echo > /dev/tcp/$host/$port) 2>/dev/null; do
      echo "$host: port $port is not open yet"
      sleep 1
    done
  done
done
