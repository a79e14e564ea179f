# Pipes statements for roles to a command, without passwords: a server for a drill needs none, and could give them away.
#
# Arguments: COMMAND...; the statements of pg_dumpall come on standard input. Exit status: that of COMMAND. Needs
# perl-base.
use strict;
use warnings;

my $PASSWORD = qr/ PASSWORD '(?:SCRAM-SHA-256\$[^']*|md5[0-9a-f]{32})'(?= VALID UNTIL '[^']*';$|;$)/;

$SIG{PIPE} = 'IGNORE';
open my $to, '|-', @ARGV or die "$ARGV[0]: $!\n";
while (my $line = <STDIN>) {
    $line =~ s/$PASSWORD// if $line =~ /\A(?:CREATE|ALTER) ROLE /;
    print {$to} $line or last;
}
close $to;
exit($? >> 8 || ($? ? 1 : 0));
