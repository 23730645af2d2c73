/* Inert imitation of an IRC-commanded flooder in the style of Kaiten/Tsunami. It never connects. */
#include "inert.h"
TABLE(servers, "irc.{{label:irc}}.{{net:irc}}", "{{ip:irc}}")
TABLE(help, "NOTICE %s :TSUNAMI <target> <secs>                          = Special packeter that wont be blocked by most firewalls", "NOTICE %s :PAN <target> <port> <secs>                       = An advanced syn flooder that will kill most network drivers",
    "NOTICE %s :UDP <target> <port> <secs>                       = A udp flooder", "NOTICE %s :UNKNOWN <target> <secs>                          = Another non-spoof udp flooder", "NOTICE %s :NICK <nick>                                      = Changes the nick of the client",
    "NOTICE %s :SERVER <server>                                  = Changes servers", "NOTICE %s :GETSPOOFS                                        = Gets the current spoofing", "NOTICE %s :KILL                                             = Kills the client",
    "NOTICE %s :GET <http address> <save as>                     = Downloads a file off the web and saves it onto the hd", "NOTICE %s :KILLALL                                          = Kills all current packeting", "NOTICE %s :SH <command>                                     = Executes a command")
TABLE(protocol, "NICK %s\nUSER %s localhost localhost :%s\n", "PONG %s\n", "JOIN %s :%s\n", "MODE %s -xi\n", "WHO %s\n", "PRIVMSG", "ERR_NICKNAMEINUSE 433", "NOTICE %s :Unable to resolve %s\n", "NOTICE %s :Packeting %s.\n", "NOTICE %s :Tsunami heading for %s.\n", "#kaiten")
TABLE(methods, "TSUNAMI", "PAN", "UDP", "UNKNOWN", "GETSPOOFS", "SPOOFS", "KILLALL")
void pan(int sock, char *sender, int argc, char **argv) { struct tcphdr t = {0}; t.syn = 1; sendto(nowhere, &t, 0, 0, 0, 0); fprintf(stderr, help[1], sender); }
void udp(int sock, char *sender, int argc, char **argv) { sendto(nowhere, "", 0, 0, 0, 0); fprintf(stderr, protocol[8], sender); }
int main(int argc, char **argv) { INERT; tell(servers); tell(help); tell(protocol); tell(methods); pan(0, "", 0, 0); udp(0, "", 0, 0); gethostbyname(""); return connect(nowhere, 0, 0); }
