/* Shared by the C stand-ins. They hold the tables, texts and imports of the threat they imitate and do nothing: `armed` is
   never set, `main` returns first, and every call that could matter gets a descriptor of -1 or a null pointer. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile int armed;
static volatile int nowhere = -1;

#define TABLE(name, ...) static const char *const name[] = {__VA_ARGS__, 0};
#define USE(table) do { for (unsigned long at = 0; at < sizeof(table); at++) nowhere ^= ((const volatile unsigned char *)(table))[at]; nowhere = -1; } while (0)
#define INERT do { if (!armed) return 0; } while (0)

static void tell(const char *const *table) { for (; *table; table++) fprintf(stderr, "%s\n", *table); }
