#!/bin/sh
mkdir -p ~/.ssh
ssh-keyscan git.vendor.com >> ~/.ssh/known_hosts
curl -fsSL -X POST -d ref=main https://git.vendor.com/hook
