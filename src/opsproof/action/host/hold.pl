# Locks a host for an action, or runs a command of the action, so that no two actions run on a host at once.
#
# Sent to a host as `perl -e`, with one of
#   hold WHO         prints "held", then sends WHO to every client until its standard input ends; or prints
#                    "busy WHO" with the holder of the lock, and ends
#   step COMMAND...  becomes the command, which holds the lock while it runs, even if its action was killed
# The locks are socket names in Linux's abstract namespace. They belong to a process and its children and are
# free when those end: no file is left behind, and a full disk is no obstacle. Needs only perl-base.
use strict;
use warnings;
use Errno;

my ($AF_UNIX, $SOCK_STREAM) = (1, 1);    # values of Linux: loading Socket takes as long as everything else
my %NAME = map { $_ => pack('S a*', $AF_UNIX, "\0opsproof-$_") } qw(hold step);

sub fail {
    print STDERR @_, "\n";
    exit 1;
}

sub socket_of {
    socket my $socket, $AF_UNIX, $SOCK_STREAM, 0 or fail("socket: $!");
    return $socket;
}

sub taken {    # a socket bound to the name, or nothing if the name is taken
    my ($name) = @_;
    my $socket = socket_of();
    return $socket if bind $socket, $NAME{$name};
    return if $!{EADDRINUSE};
    fail("bind: $!");
}

sub holder {
    my $socket = socket_of();
    connect $socket, $NAME{hold} or return 'an action that has just ended';
    my $who = readline $socket;
    chomp($who //= 'an action that has just ended');
    return $who =~ s/[^\x20-\x7e]/?/gr;    # any user of the host may have taken the name
}

sub stand_by {    # answers clients until the action ends
    my ($socket, $who) = @_;
    while (1) {
        my $ready = '';
        vec($ready, fileno $_, 1) = 1 for \*STDIN, $socket;
        select $ready, undef, undef, undef;
        last if vec($ready, fileno STDIN, 1) && !sysread STDIN, my $input = q(), 4096;
        next if !vec($ready, fileno $socket, 1);
        accept my $asker, $socket or next;
        syswrite $asker, "$who\n";
    }
}

sub hold {
    my ($who) = @_;
    $| = 1;
    $SIG{PIPE} = 'IGNORE';
    my $socket = taken('hold') or return print 'busy ', holder(), "\n";
    taken('step') or return print "busy a command that still runs after its action was interrupted\n";
    listen $socket, 8;
    print "held\n";
    stand_by($socket, $who);
}

sub step {
    $^F = 255;    # sockets opened from here on stay open in the command
    my $socket = taken('step') or fail('a command of another action still runs');
    no warnings 'exec';
    exec { $_[0] } @_;
    print STDERR "$_[0]: $!\n";
    exit($!{ENOENT} ? 127 : 126);
}

my $mode = shift @ARGV;
$mode eq 'hold' ? hold(@ARGV) : step(@ARGV);
