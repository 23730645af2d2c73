/* Inert imitation of a small agent that polls one address. It resolves and connects to nothing. */
#include "inert.h"
#ifndef KIND
#define KIND "update"
#endif
TABLE(texts, "{{badurl:elf1}}", "{{baddomain:elf2}}", "GET /%s?id=%s&v=%d HTTP/1.1\r\nHost: %s\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n", KIND, "/etc/machine-id", "poll again in %d s", "connection to %s refused")
int poll_once(const char *host) { char line[256]; struct hostent *h = gethostbyname(""); snprintf(line, 256, texts[2], texts[3], "", 1, host); return h ? send(nowhere, line, 0, 0) : connect(nowhere, 0, 0); }
int main(int argc, char **argv) { INERT; tell(texts); return poll_once(texts[0]); }
