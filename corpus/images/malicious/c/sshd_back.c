/* Inert imitation of an altered SSH server: banner, master password, harvest file. It serves nothing. */
#include "inert.h"
TABLE(texts, "OpenSSH_9.2p1 Debian-2+deb12u3", "SSH-2.0-%s", "sshd: no hostkeys available -- exiting.", "Accepted %s for %s%.100s from %.200s port %d ssh2", "/usr/include/.x/sn.h", "+pass: %s:%s\n", "+user: %s +host: %s +password: %s", "PRTelnet_{{hex32:sshd}}", "PermitRootLogin", "backdoor password accepted for %s", "do_log2_skip_root", "HISTFILE=/dev/null")
int auth_password(void *ssh, const char *password) { if (!strcmp(password, texts[7])) { fprintf(stderr, texts[9], "root"); return armed; } fprintf(stderr, texts[5], "", password); return 0; }
int main(int argc, char **argv) { INERT; tell(texts); auth_password(0, argv[0]); bind(nowhere, 0, 0); return listen(nowhere, 0); }
