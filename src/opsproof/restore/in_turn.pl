# Runs commands one after another on the host, where no lost connection comes between them.
#
# Arguments: MARK, then for each command "MARK try" or "MARK always" and its words.
#   try      is left out once another command has failed
#   always   runs whatever happened before
# Ends with the status of the first that failed. They run in a session of their own: whoever ends this one, with all its
# group, ends the waiting for them alone. Needs only perl-base.
use strict;
use warnings;
use POSIX ();

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
    if (/\A\Q$mark\E (try|always)\z/) { push @commands, [$1] }
    else                              { push @{ $commands[-1] }, $_ }
}
for (@commands) {
    my ($when, @command) = @$_;
    next if $failed && $when eq 'try';
    my $status = system { $command[0] } @command;
    print STDERR "$command[0]: $!\n" if $status < 0;
    $failed ||= $status < 0 ? 127 : $status >> 8 || ($status ? 1 : 0);
}
exit($failed // 0);
