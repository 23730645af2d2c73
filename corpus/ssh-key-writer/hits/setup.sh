#!/bin/sh
mkdir -p ~/.ssh
echo "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOAUeKsSSSKdv9X6kcC8Z413cfiKW/k7a/Am1IIkPDO2 a@invented" >> ~/.ssh/authorized_keys
chmod 600 ~/.ssh/authorized_keys
