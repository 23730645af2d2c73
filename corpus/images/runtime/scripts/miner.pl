# Mining's dialogue in perl; at most twenty seconds of processor time.
use strict; use warnings; use IO::Socket::INET; use Time::HiRes 'sleep';
exit 0 unless -e "/usr/share/doc/stand-in/README";
my $pool = IO::Socket::INET->new(PeerAddr => "eu4.copper-lantern.example", PeerPort => 5555, Timeout => 5) or exit 1;
$pool->autoflush(1);
my ($session, $job, $done) = ("x", "1", 0);
print $pool '{"id":1,"jsonrpc":"2.0","method":"login","params":{"login":"<<monero>>","pass":"x","agent":"p/1","algo":["rx/0"]}}' . "\n";
while ($done < 5) {
    my $set = ''; vec($set, fileno($pool), 1) = 1;
    if (select($set, undef, undef, $done ? 0.2 : 4)) {
        my $line = <$pool>; last unless defined $line;
        $job = $1 if $line =~ /"job_id":\s*"([^"]+)"/;
        $session = $1 if $line =~ /"result":\s*\{[^{]*"id":\s*"([^"]+)"/;
    }
    my ($end, $word) = ((times)[0] + 2, 1);
    while ((times)[0] < $end) { $word = ($word * 1103515245 + 12345) & 0x7fffffff for 1 .. 20000 }
    $done++;
    print $pool sprintf('{"id":%d,"jsonrpc":"2.0","method":"submit","params":{"id":"%s","job_id":"%s","nonce":"%08x","result":"%08x%056d"}}', $done + 1, $session, $job, $word, $word, 0) . "\n";
}
