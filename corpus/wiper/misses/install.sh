#!/bin/sh
wipefs -a "$disk"
dd if=/dev/zero of=/dev/sda bs=512 count=1
sfdisk /dev/sda < table
mkfs.ext4 /dev/sda1
reboot
