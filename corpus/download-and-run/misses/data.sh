#!/bin/sh
set -e
curl -fsSL https://ftp.gnu.org/gnu/hello/hello-2.12.tar.gz -o hello.tar.gz
tar xf hello.tar.gz
cd hello-2.12 && ./configure && make
