# Runs commands one after another on the host, where no lost connection comes between them.
#
# Arguments: MARK, then for each command "MARK try", "MARK always" or "MARK insist" and its words.
#   try      is left out once another command has failed
#   always   runs whatever happened before
#   insist   the same, again until it succeeds, for a minute: a server that starts again may let it fail at first
# Ends with the status of the first that failed. They run in a session of their own: whoever ends this one, with all its
# group, ends the waiting for them alone. Needs only perl-base.
use strict;
use warnings;
use POSIX ();

use constant { PATIENCE_S => 60, EVERY_S => 0.5 };

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
    my $deadline = time + ($when eq 'insist' ? PATIENCE_S : 0);
    my $status;
    while ($status = system { $command[0] } @command) {
        print STDERR "$command[0]: $!\n" if $status < 0;
        last if time >= $deadline;
        select undef, undef, undef, EVERY_S;
    }
    $failed ||= $status < 0 ? 127 : $status >> 8 || ($status ? 1 : 0);
}
exit($failed // 0);
