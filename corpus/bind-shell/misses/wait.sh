#!/bin/sh
nc -l -p 8080 < /srv/page
socat TCP-LISTEN:80,fork TCP:db:5432
exec sh
