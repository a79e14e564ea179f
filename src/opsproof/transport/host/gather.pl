# Runs commands concurrently and frames their output. Needs only perl-base, and writes no files.
#
# Arguments: NONCE CAP PATH POOL_SIZE POOL... COMMAND...
#   CAP      bytes kept of each stream of a command; a command that prints more is killed
#   PATH     folders put before the search path, or empty
#   POOL     words shared by several commands
#   COMMAND  SECONDS:WORD,WORD...   a WORD is hexadecimal, or @N for text N of the pool
# Prints "opsproof NONCE EPOCH", then for each command, in order,
#   "STATUS CENTISECONDS FLAG OUT_BYTES ERR_BYTES" and the two streams, then "end NONCE".
#   FLAG is "-", "timeout" or "truncated". A missing program has STATUS 127, as in a shell.
use strict;
use warnings;
use POSIX qw(:sys_wait_h setpgid);
use IO::Select;

my ($nonce, $cap, $path, $pooled, @rest) = @ARGV;
my @pool = splice @rest, 0, $pooled;
my @jobs = map { job($_) } @rest;
my $select = IO::Select->new;
my %stream;

$ENV{LC_ALL} = 'C';
$ENV{PATH} = "$path:$ENV{PATH}" if length $path;
$SIG{PIPE} = 'IGNORE';
$SIG{$_} = sub { stop_all(); exit 1 } for qw(HUP INT TERM);

binmode STDOUT;
my $epoch = time;
start($_) for @jobs;
while (grep { !$_->{ended} } @jobs) {
    drain($_) for $select->can_read(patience());
    settle($_) for grep { !$_->{ended} } @jobs;
}
print "opsproof $nonce $epoch\n";
report($_) for @jobs;
print "end $nonce\n";

sub clock { return (POSIX::times())[0] / POSIX::sysconf(&POSIX::_SC_CLK_TCK) }

sub job {
    my ($seconds, $words) = split /:/, shift, 2;
    my @argv = map { /^@(\d+)$/ ? $pool[$1] : pack 'H*', $_ } split /,/, $words, -1;
    return { seconds => $seconds, argv => \@argv, out => '', err => '', flag => '-', open => 0 };
}

sub start {
    my $job = shift;
    pipe my $out, my $out_end or die "pipe: $!";
    pipe my $err, my $err_end or die "pipe: $!";
    $job->{started} = clock();
    $job->{pid} = fork // die "fork: $!";
    become($job->{argv}, $out_end, $err_end) unless $job->{pid};
    setpgid($job->{pid}, $job->{pid});
    follow($job, out => $out);
    follow($job, err => $err);
}

sub become {
    my ($argv, $out, $err) = @_;
    setpgid(0, 0);
    $SIG{$_} = 'DEFAULT' for qw(PIPE HUP INT TERM);
    open STDIN, '<', '/dev/null';
    open STDOUT, '>&', $out;
    open STDERR, '>&', $err;
    no warnings 'exec';
    exec { $argv->[0] } @$argv;
    my $status = $!{ENOENT} ? 127 : 126;
    print STDERR "$argv->[0]: $!\n";
    POSIX::_exit($status);
}

sub follow {
    my ($job, $name, $handle) = @_;
    $stream{$handle} = [$job, $name];
    $select->add($handle);
    $job->{open}++;
}

sub drain {
    my $handle = shift;
    my ($job, $name) = @{ $stream{$handle} };
    my $got = sysread $handle, $job->{$name}, 65536, length $job->{$name};
    if (!$got) { leave($handle) }
    elsif (length $job->{$name} > $cap) { give_up($job, 'truncated') }
}

sub leave {
    my $handle = shift;
    my ($job) = @{ delete $stream{$handle} };
    $select->remove($handle);
    close $handle;
    $job->{open}--;
}

sub settle {
    my $job = shift;
    return give_up($job, 'timeout') if clock() - $job->{started} > $job->{seconds};
    return if $job->{open} || waitpid($job->{pid}, WNOHANG) != $job->{pid};
    finish($job, $? & 127 ? 128 + ($? & 127) : $? >> 8);
}

sub finish {
    my ($job, $status) = @_;
    $job->{ended} = 1;
    $job->{status} = $status;
    $job->{took} = int 100 * (clock() - $job->{started});
}

# A child of another user may survive the kill; do not wait for its end.
sub give_up {
    my ($job, $flag) = @_;
    return if $job->{ended};
    $job->{flag} = $flag;
    kill KILL => -$job->{pid}, $job->{pid};
    leave($_) for grep { $stream{$_} && $stream{$_}[0] == $job } $select->handles;
    waitpid $job->{pid}, WNOHANG;
    $job->{$_} = substr $job->{$_}, 0, $cap for qw(out err);
    finish($job, $flag eq 'timeout' ? 124 : 141);
}

sub patience {
    my ($nearest) = sort { $a <=> $b }
        map { $_->{open} ? $_->{seconds} - (clock() - $_->{started}) : 0.002 } grep { !$_->{ended} } @jobs;
    return $nearest > 0.002 ? $nearest : 0.002;
}

sub report {
    my $job = shift;
    printf "%d %d %s %d %d\n", @$job{qw(status took flag)}, length $job->{out}, length $job->{err};
    print $job->{out}, $job->{err};
}

sub stop_all { kill KILL => -$_->{pid} for grep { $_->{pid} && !$_->{ended} } @jobs }
