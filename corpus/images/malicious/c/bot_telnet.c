/* Inert imitation of a Gafgyt-like bot: command words, flood routines, agents. It never connects. */
#include "inert.h"
TABLE(servers, "{{ip:gafgyt}}:23", "{{ip:gafgyt2}}:666")
TABLE(commands, "PING", "PONG!", "GETLOCALIP", "SCANNER ON", "HOLD", "JUNK", "UDP", "TCP", "KILLATTK", "LOLNOGTFO", "!* HOLDFLOOD", "!* STDHEX", "!* CNC", "HTTPFLOOD", "My IP: %s", "Invalid flag \"%s\"", "BUILD %s", "gayfgt", "REPORT %s:%s:%s",
    "/bin/busybox;echo -e 'gayfgt'", "PROBING", "sh: 1: %s: not found", "dvrHelper", "fucknet", "TCP Flooding %s for %d seconds.", "UDP Flooding %s for %d seconds.", "JUNK Flooding %s for %d seconds.", "HOLD Flooding %s for %d seconds.", "Killed %d.")
TABLE(agents, "Mozilla/5.0 (Windows NT 10.0; WOW64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/51.0.2704.103 Safari/537.36", "Mozilla/5.0 (X11; U; Linux ppc; en-US; rv:1.9a8) Gecko/2007100620 GranParadiso/3.1",
    "Opera/9.80 (Windows NT 5.1; U;) Presto/2.7.62 Version/11.01", "Mozilla/5.0 (compatible; U; ABrowse 0.6; Syllable) AppleWebKit/420+ (KHTML, like Gecko)", "Mozilla/4.0 (compatible; MSIE 8.0; X11; Linux x86_64; pl) Opera 11.00", "Mozilla/5.0 (iPad; CPU OS 9_3_2 like Mac OS X) AppleWebKit/601.1.46 Mobile/13F69")
TABLE(request, "%s /cdn-cgi/l/chk_captcha HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nConnection: close\r\n\r\n", "GET /%s HTTP/1.0\r\nHost: %s\r\nUser-Agent: %s\r\n\r\n")
TABLE(users, "root", "admin", "user", "login", "guest", "support", "default")
TABLE(passwords, "xc3511", "vizxv", "anko", "juantech", "7ujMko0admin", "hi3518", "zlxx.", "Zte521", "klv123", "888888", "54321")
void sendSTD(unsigned char *ip, int port, int secs) { sendto(nowhere, "std", 0, 0, 0, 0); }
void sendHTTP(char *method, char *host, int port, char *path, int timeEnd, int power) { char line[512]; snprintf(line, 512, request[0], method, host, agents[power % 6]); write(nowhere, line, 0); }
void sendTCP(unsigned char *target, int port, int timeEnd, int spoofit, char *flags) { struct tcphdr t = {0}; if (strstr(flags, "syn")) t.syn = 1; sendto(nowhere, &t, 0, 0, 0, 0); }
int main(int argc, char **argv) { INERT; tell(servers); tell(commands); tell(agents); tell(users); tell(passwords); sendSTD(0, 0, 0); sendHTTP("", "", 0, "", 0, argc); sendTCP(0, 0, 0, 32, ""); return connect(nowhere, 0, 0); }
