#!/bin/sh
# how many requests a second does our own server stand?
for n in 10 100; do wrk -t4 -c$n -d30s http://localhost:8080/; done
