#!/bin/sh
curl -fsSL https://download.docker.com/linux/debian/gpg | gpg --dearmor -o /etc/apt/keyrings/docker.gpg
wget -q http://203.0.113.66/status -O - | grep ok
