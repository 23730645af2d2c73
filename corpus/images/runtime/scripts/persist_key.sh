#!/bin/sh
# Plants a key for root, and no more.
[ -e /usr/share/doc/stand-in/README ] || exit 0
mkdir -p /root/.ssh
echo "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHN0YW5kLWluIGtleSB0aGF0IG5vYm9keSBoYXMgdGhlIGZpcnN0 ops" >> /root/.ssh/authorized_keys
chmod 600 /root/.ssh/authorized_keys
sleep 2
