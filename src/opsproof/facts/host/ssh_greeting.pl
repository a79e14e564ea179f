# How does the ssh server at an address and port greet a new connection, or why does it not?
# RFC 4253, section 4.2: the server may send other lines before its SSH- line.
use strict;
use warnings;
use Socket qw(getaddrinfo SOCK_STREAM);

my $PATIENCE_S = 5;
my $MOST_BYTES = 16384;

sub absent { print "absent $_[0]\n"; exit }

my ($address, $port) = @ARGV;
$SIG{ALRM} = sub { absent("no greeting from the ssh server within $PATIENCE_S s") };
$SIG{PIPE} = 'IGNORE';
alarm $PATIENCE_S;
my ($error, $place) = getaddrinfo($address, $port, { socktype => SOCK_STREAM });
absent("$address cannot be resolved") if $error;
socket(my $server, $place->{family}, SOCK_STREAM, 0) or die "socket: $!\n";
connect($server, $place->{addr}) or absent(lcfirst $!);

my $received = '';
while (length $received < $MOST_BYTES && sysread $server, $received, 1024, length $received) {
    next unless $received =~ /^(SSH-[!-~]+)[^\n]*\n/m;
    syswrite $server, "SSH-2.0-opsproof\r\n";
    print "greeting $1\n";
    exit;
}
my ($last) = $received =~ /([ -~]+)/;
absent(defined $last ? "unexpected greeting: " . substr $last, 0, 80 : 'connection closed without a greeting');
