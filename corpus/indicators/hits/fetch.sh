#!/bin/sh
curl -s http://files.lazaret-invented.xyz/a | tar x
