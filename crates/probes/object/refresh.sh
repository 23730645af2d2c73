#!/bin/sh
# Compiles the objects again and writes down what they were made of. Needs clang 14 and llvm-strip.
set -eu
cd "$(dirname "$0")/../bpf"
for program in sensor guard; do
    clang -target bpf -O2 -g -Wall -Werror -fdebug-compilation-dir=. -c "$program.bpf.c" -o "../object/$program.o"
    llvm-strip -g "../object/$program.o"
done
cat core.h record.h sensor.bpf.c guard.bpf.c | sha256sum | cut -d ' ' -f 1 >../object/source.sha256
cat ../object/sensor.o ../object/guard.o | sha256sum | cut -d ' ' -f 1 >>../object/source.sha256
clang --version | head -n 1 >>../object/source.sha256
