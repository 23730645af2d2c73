// What the stand-ins in C share: the guard, names and addresses that exist nowhere, a little HTTP, and a loop that burns a core.
//
// Each begins with `begin()`: it leaves unless the image's own marker is there, and limits its CPU time. `dial` takes only names under
// reserved top-level domains and addresses of documentation blocks. `HIDE("…")` is a string that `build.py` stores encoded.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MARKER "/usr/share/doc/stand-in/README"
#define CPU_SECONDS_MAX 30

// FNV-1a of a file's content: the key of programs that carry it nowhere (`// key: FILE` in the source tells build.py).
static uint32_t key_of(const char *path) {
    uint32_t hash = 2166136261u;
    int byte;
    FILE *file = path ? fopen(path, "r") : NULL;
    while (file && (byte = fgetc(file)) != EOF) hash = (hash ^ (uint32_t)byte) * 16777619u;
    if (file) fclose(file);
    return hash;
}

#ifndef KEY_FILE
#define KEY_FILE NULL
#endif

static unsigned char *reveal(const unsigned char *hidden, size_t size, uint32_t seed) {
    unsigned char *plain = malloc(size + 1);
    uint32_t state = seed ^ key_of(KEY_FILE);
    for (size_t i = 0; i < size; i++) {
        state = state * 1664525u + 1013904223u;
        plain[i] = hidden[i] ^ (unsigned char)(state >> 24);
    }
    plain[size] = 0;
    return plain;
}

static void begin(void) {
    struct rlimit cpu = {CPU_SECONDS_MAX, CPU_SECONDS_MAX};
    if (access(MARKER, F_OK) != 0) {
        fputs("not in its image: nothing is done\n", stderr);
        exit(0);
    }
    setrlimit(RLIMIT_CPU, &cpu);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t cpu_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// An inert loop: no known hash, only arithmetic.
static volatile uint64_t burnt;
static void burn(int ms) {
    int64_t end = cpu_ms() + ms;
    uint64_t word = burnt | 1;
    while (cpu_ms() < end)
        for (int i = 0; i < 200000; i++) word = (word << 13 | word >> 51) * 0x9e3779b97f4a7c15u + (uint64_t)i;
    burnt = word;
}

static int reserved_name(const char *name) {
    static const char *const ends[] = {".example", ".test", ".invalid"};
    for (int i = 0; i < 3; i++) {
        size_t have = strlen(name), want = strlen(ends[i]);
        if (have > want && strcmp(name + have - want, ends[i]) == 0) return 1;
    }
    return 0;
}

// Documentation and benchmark blocks, link-local, and the sandbox's own bridge.
static int reserved_address(uint32_t a) {
    return a >> 8 == 0xc00002 || a >> 8 == 0xc63364 || a >> 8 == 0xcb0071 || a >> 17 == 0xc612 >> 1 || a >> 16 == 0xa9fe || a >> 24 == 127 || a == 0xac110001;
}

static int wait_for(int fd, short what, int ms) {
    struct pollfd one = {fd, what, 0};
    return poll(&one, 1, ms) > 0;
}

static uint32_t nameserver(void) {
    char line[256], text[64];
    uint32_t found = 0;
    FILE *file = fopen("/etc/resolv.conf", "r");
    while (file && fgets(line, sizeof line, file))
        if (!found && sscanf(line, "nameserver %63[0-9.]", text) == 1) found = ntohl(inet_addr(text));
    if (file) fclose(file);
    return found;
}

// One question of type `kind` (1 A, 16 TXT); the first address of the answer in host order, or 0.
static uint32_t ask(const char *name, int kind) {
    unsigned char packet[512] = {0}, *at = packet + 12;
    uint32_t server = nameserver();
    if (!server || strlen(name) > 230) return 0;
    uint16_t id = (uint16_t)(now_ms() ^ getpid());
    packet[0] = id >> 8, packet[1] = id & 255, packet[2] = 1, packet[5] = 1;
    for (const char *label = name; *label;) {
        size_t size = strcspn(label, ".");
        if (size == 0 || size > 63) return 0;
        *at++ = size;
        memcpy(at, label, size), at += size, label += size + (label[size] == '.');
    }
    at++, *at++ = 0, *at++ = kind, *at++ = 0, *at++ = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(server)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    uint32_t found = 0;
    for (int attempt = 0; attempt < 2 && !found; attempt++) {
        if (sendto(fd, packet, at - packet, 0, (void *)&to, sizeof to) < 0 || !wait_for(fd, POLLIN, 2000)) continue;
        unsigned char answer[1500];
        long size = recv(fd, answer, sizeof answer, 0), place = at - packet;
        if (size < 12 || (answer[3] & 15)) break;
        for (int count = answer[6] << 8 | answer[7]; count > 0 && place + 12 <= size; count--) {
            if (answer[place] >= 192) place += 2;
            else {
                while (place < size && answer[place]) place += answer[place] + 1;
                place++;
            }
            if (place + 10 > size) break;
            int type = answer[place] << 8 | answer[place + 1], length = answer[place + 8] << 8 | answer[place + 9];
            place += 10;
            if (type == 1 && length == 4 && place + 4 <= size) {
                found = (uint32_t)answer[place] << 24 | answer[place + 1] << 16 | answer[place + 2] << 8 | answer[place + 3];
                break;
            }
            place += length;
        }
        if (kind != 1) break;
    }
    close(fd);
    return found;
}

static int dial_to(uint32_t address, int port, int ms) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error = 0;
    socklen_t size = sizeof error;
    if (fd < 0) return -1;
    if (connect(fd, (void *)&to, sizeof to) < 0 && (errno != EINPROGRESS || !wait_for(fd, POLLOUT, ms) || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) || error)) {
        close(fd);
        return -1;
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return fd;
}

// Connects to a reserved name or address; -1 otherwise.
static int dial(const char *host, int port, int ms) {
    struct in_addr literal;
    if (inet_aton(host, &literal)) return reserved_address(ntohl(literal.s_addr)) ? dial_to(ntohl(literal.s_addr), port, ms) : -1;
    uint32_t address = reserved_name(host) ? ask(host, 1) : 0;
    return address ? dial_to(address, port, ms) : -1;
}

__attribute__((format(printf, 2, 3))) static int tell(int fd, const char *format, ...) {
    char text[8192];
    va_list list;
    va_start(list, format);
    int size = vsnprintf(text, sizeof text, format, list);
    va_end(list);
    return size < (int)sizeof text ? send(fd, text, size, MSG_NOSIGNAL) : -1;
}

// Reads up to a line's end or until nothing came for `ms`; the count, 0 at the end, -1 at the time limit.
static int hear(int fd, char *text, int size, int ms) {
    int have = 0;
    while (have < size - 1) {
        if (!wait_for(fd, POLLIN, ms)) return have ? (text[have] = 0, have) : -1;
        if (read(fd, text + have, 1) != 1) break;
        if (text[have++] == '\n') break;
    }
    text[have] = 0;
    return have;
}

// An HTTP/1.0 exchange on port 80; returns the body's size, or -1. `body` may be NULL.
static int web(const char *host, const char *method, const char *path, const char *body, int body_size, char *answer, int size) {
    int fd = dial(host, 80, 5000), have = 0, got;
    if (fd < 0) return -1;
    tell(fd, "%s %s HTTP/1.0\r\nHost: %s\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n", method, path, host);
    if (body) tell(fd, "Content-Type: application/octet-stream\r\nContent-Length: %d\r\n", body_size);
    tell(fd, "\r\n");
    for (int sent = 0; body && sent < body_size;) {
        if ((got = send(fd, body + sent, body_size - sent, MSG_NOSIGNAL)) <= 0) break;
        sent += got;
    }
    while (have < size - 1 && wait_for(fd, POLLIN, 5000) && (got = read(fd, answer + have, size - 1 - have)) > 0) have += got;
    close(fd);
    answer[have] = 0;
    char *start = memmem(answer, have, "\r\n\r\n", 4);
    if (!start) return -1;
    have -= start + 4 - answer;
    memmove(answer, start + 4, have + 1);
    return have;
}

static int save(const char *path, const void *data, size_t size, int mode) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    long done = fd < 0 ? -1 : write(fd, data, size);
    if (fd >= 0) close(fd);
    return done == (long)size ? 0 : -1;
}

static int load(const char *path, char *data, int size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC), have = 0, got;
    while (fd >= 0 && have < size - 1 && (got = read(fd, data + have, size - 1 - have)) > 0) have += got;
    if (fd >= 0) close(fd);
    data[have] = 0;
    return have;
}

static int base64(const char *data, int size, char *text) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    int have = 0;
    for (int i = 0; i < size; i += 3) {
        uint32_t word = (unsigned char)data[i] << 16 | (i + 1 < size ? (unsigned char)data[i + 1] << 8 : 0) | (i + 2 < size ? (unsigned char)data[i + 2] : 0);
        text[have++] = digits[word >> 18], text[have++] = digits[word >> 12 & 63];
        text[have++] = i + 1 < size ? digits[word >> 6 & 63] : '=', text[have++] = i + 2 < size ? digits[word & 63] : '=';
    }
    text[have] = 0;
    return have;
}
