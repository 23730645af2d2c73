#!/bin/sh
cat "$1" >> ~/.ssh/authorized_keys
