/* A small program with credentials compiled in, as developers leave them. All values are invented. */
#include "inert.h"
TABLE(config, "AWS_ACCESS_KEY_ID={{awsid:elf}}", "AWS_SECRET_ACCESS_KEY={{awskey:elf}}", "{{slack:elf}}", "Authorization: Bearer %s", "{{github:elf}}", "postgres://svc:{{password:elf}}@db.{{domain:elf}}:5432/prod", "listening on %s", "uploaded %s")
int main(int argc, char **argv) { INERT; tell(config); return 0; }
