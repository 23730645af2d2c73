// Logs in at a pool in Monero's dialect, in plain sight, and burns a core between the shares.
#include "mine.h"
int main(void) {
    begin();
    int fd = dial("pool.mining-shed.example", 3333, 5000);
    if (fd < 0) return 1;
    printf("use pool pool.mining-shed.example:3333\n");
    printf("accepted (%d/0)\n", mine_login(fd, "<<monero>>", "XMRig/6.21.0 (Linux x86_64)", 5, 2000));
    return 0;
}
