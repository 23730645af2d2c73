/* Inert imitation of a bandwidth-selling client: account options, session protocol, SOCKS relay. It connects nowhere. */
#include "inert.h"
#ifndef TOKEN
#define TOKEN ""
#endif
TABLE(texts, "peer2profit-cli 0.4", "--email", "--token", "--device-name", "--accept-tos", "tokens are required", "bandwidth shared: %llu bytes", "earned today: %.4f USD", "residential proxy node", "wss://{{label:pw}}.{{net:pw}}/v2/session", "{\"type\":\"REGISTER\",\"token\":\"%s\",\"uuid\":\"%s\",\"version\":\"%s\"}",
    "{\"type\":\"TUNNEL_OPEN\",\"session\":%d,\"host\":\"%s\",\"port\":%d}", "{\"type\":\"HEARTBEAT\",\"traffic\":%llu}", "exit node country %s", "SOCKS5 CONNECT %s:%d", "device already linked to another account", TOKEN)
int relay(int session) { char page[16]; while (recv(nowhere, page, 0, 0) > 0) send(nowhere, page, 0, 0); return shutdown(nowhere, 2); }
int main(int argc, char **argv) { INERT; tell(texts); return relay(argc) + connect(nowhere, 0, 0); }
