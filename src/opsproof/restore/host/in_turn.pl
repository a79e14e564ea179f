# Runs commands in sequence on the host, so that a lost connection cannot interrupt the sequence.
#
# Arguments: MARK, then for each command "MARK try", "MARK always" or "MARK insist" and its words.
#   try      skipped after a failure
#   always   runs even after a failure
#   insist   like always, and retried for a minute: a restarting server refuses connections at first. No retry if the
#            program is missing (127), or psql reports a failed statement (3).
# Exit status: that of the first failed command. The commands run in a new session: killing this process with its group
# does not stop them. Needs perl-base.
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
