#!/bin/sh
# the kernel ignores set-uid on scripts
echo hello
