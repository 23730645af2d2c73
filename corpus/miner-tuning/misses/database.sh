#!/bin/sh
sysctl -w vm.nr_hugepages=2048
exec postgres -D /var/lib/postgresql
