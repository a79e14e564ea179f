# Runs commands one after another on the host, where no lost connection comes between them.
#
# Arguments: MARK, then for each command "MARK try", "MARK always" or "MARK insist" and its words.
#   try      is left out once another command has failed
#   always   runs whatever happened before
#   insist   the same, and again while it fails, for a minute: a server that starts again takes no connections at first.
#            What is not there, or was refused as it stands (psql's status 3), is not tried again.
# Ends with the status of the first that failed. They run in a session of their own: whoever ends this one, with all its
# group, ends the waiting for them alone. Needs only perl-base.
use strict;
use warnings;
use POSIX ();

use constant { PATIENCE_S => 60, EVERY_S => 0.5 };
my %final = map { $_ => 1 } 0, 3, 127;

my ($mark, @words) = @ARGV;
my (@commands, $failed);

$SIG{$_} = 'IGNORE' for qw(HUP PIPE);
my $pid = fork // die "fork: $!\n";
if ($pid) {
    waitpid $pid, 0;
    exit($? >> 8 || ($? ? 1 : 0));
}
POSIX::setsid();
for (@words) {
    if (/\A\Q$mark\E (try|always|insist)\z/) { push @commands, [$1] }
    else                                     { push @{ $commands[-1] }, $_ }
}
for (@commands) {
    my ($when, @command) = @$_;
    next if $failed && $when eq 'try';
    my $deadline = clock() + PATIENCE_S;
    my $status = run(@command);
    while ($when eq 'insist' && !$final{$status} && clock() < $deadline) {
        select undef, undef, undef, EVERY_S;
        $status = run(@command);
    }
    $failed ||= $status;
}
exit($failed // 0);

sub run {
    my $status = system { $_[0] } @_;
    print STDERR "$_[0]: $!\n" if $status < 0;
    return $status < 0 ? 127 : $status >> 8 || ($status ? 1 : 0);
}

sub clock { return (POSIX::times())[0] / POSIX::sysconf(&POSIX::_SC_CLK_TCK) }
