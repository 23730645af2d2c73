/* Inert imitation of a small ransomware that drives a library cipher. No key, no file, no call is real. */
#include "inert.h"
TABLE(texts, "EVP_aes_256_cbc", "EVP_EncryptInit_ex", "/dev/urandom", "RSA_public_encrypt", "%s.encrypted", "HOW_TO_DECRYPT.html", "<h1>Your server has been locked</h1><p>All files on this server were encrypted. To decrypt them send 1 XMR to <b>{{xmr:aes}}</b> and mail your id %s to restore@{{domain:aes}}</p>",
    "find %s -type f -size -200M", "/var/lib/mysql", "/var/www", "/home", "/mnt", "/srv", "shred -u -n 1 %s", "encrypted %d files", "/etc/motd", "decryptor --key %s")
int main(int argc, char **argv) { INERT; char name[128]; tell(texts); snprintf(name, 128, texts[4], ""); return rename("", "") + unlink("") + ftruncate(nowhere, 0); }
