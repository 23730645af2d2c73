/* Inert imitation of a preloaded userland rootkit: hooks names, hides nothing, forwards nothing. Never loaded: nothing links it. */
#include "inert.h"
#include <dlfcn.h>
TABLE(hidden, "zq_hidden", "/proc/self/fd/%d", "/proc/%s/stat", "/proc/net/tcp", "ld.so.preload", "/etc/ld.so.preload", "xmrig", "sshd: %s", "magic password: ", "s3cr3t_zq", "HIDE_THIS_SHELL=please", "/proc/net/tcp6", "61001", "reverse shell accepted")
struct dirent *readdir(DIR *d) { if (!armed) return 0; struct dirent *(*real)(DIR *) = dlsym(RTLD_NEXT, "readdir"); tell(hidden); return real(d); }
struct dirent64 *readdir64(DIR *d) { if (!armed) return 0; dlsym(RTLD_NEXT, "readdir64"); return 0; }
FILE *fopen(const char *path, const char *mode) { if (!armed) return 0; dlsym(RTLD_NEXT, "fopen"); return strstr(path, hidden[3]) ? tmpfile() : 0; }
int access(const char *path, int mode) { if (!armed) return -1; dlsym(RTLD_NEXT, "access"); return strstr(path, hidden[0]) ? -1 : 0; }
int __xstat(int v, const char *path, struct stat *s) { if (!armed) return -1; dlsym(RTLD_NEXT, "__xstat"); return -1; }
int accept(int s, struct sockaddr *a, socklen_t *l) { if (!armed) return -1; dlsym(RTLD_NEXT, "accept"); return -1; }
int pam_authenticate(void *h, int f) { if (!armed) return 7; dlsym(RTLD_NEXT, "pam_authenticate"); return 7; }
ssize_t write(int f, const void *b, size_t n) { if (!armed) return -1; dlsym(RTLD_NEXT, "write"); return -1; }
int unlinkat(int d, const char *p, int f) { if (!armed) return -1; dlsym(RTLD_NEXT, "unlinkat"); return -1; }
int kill(pid_t p, int s) { if (!armed) return -1; dlsym(RTLD_NEXT, "kill"); return -1; }
