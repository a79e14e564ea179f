# Prints how the ssh server on an address and port of this host greets a new connection, or why it does not.
# RFC 4253, section 4.2: the server may send other lines before the one that begins with SSH-.
use strict;
use warnings;
use Socket qw(getaddrinfo SOCK_STREAM);

my $PATIENCE_S = 5;
my $MOST_BYTES = 16384;

sub absent { print "absent $_[0]\n"; exit }

my ($address, $port) = @ARGV;
$SIG{ALRM} = sub { absent("the ssh server gives no greeting within $PATIENCE_S s") };
$SIG{PIPE} = 'IGNORE';
alarm $PATIENCE_S;
my ($error, $place) = getaddrinfo($address, $port, { socktype => SOCK_STREAM });
absent("$address cannot be resolved") if $error;
socket(my $server, $place->{family}, SOCK_STREAM, 0) or die "socket: $!\n";
connect($server, $place->{addr}) or absent(lcfirst $!);

my $said = '';
while (length $said < $MOST_BYTES && sysread $server, $said, 1024, length $said) {
    next unless $said =~ /^(SSH-[!-~]+)[^\n]*\n/m;
    syswrite $server, "SSH-2.0-opsproof\r\n";
    print "greeting $1\n";
    exit;
}
my ($last) = $said =~ /([ -~]+)/;
absent(defined $last ? "the ssh server says " . substr $last, 0, 80 : 'the ssh server closes without a greeting');
