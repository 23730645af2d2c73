#!/bin/sh
export POOL=pool.supportxmr.com:3333
export BACKUP=gulf.moneroocean.stream:10128
exec ./worker
