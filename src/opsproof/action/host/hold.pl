# Holds a host for one action, or runs one of its commands, so that no second action works there meanwhile.
#
# Sent to a host as `perl -e`, with one of
#   hold WHO         prints "held", then tells WHO to whoever asks, until its standard input ends; or prints
#                    "busy WHO" of the one that holds the host, and ends
#   step COMMAND...  becomes the command, which keeps the next action out for as long as it runs: longer
#                    than its own action, where that was killed or cut off
# A name in Linux's abstract namespace belongs to a process and its children, and is free when they end,
# however they do: no file is left behind, and none must be written on a full disk. Needs only perl-base.
use strict;
use warnings;
use Errno;

my ($AF_UNIX, $SOCK_STREAM) = (1, 1);    # Linux's own: loading Socket takes as long as all the rest
my %NAME = map { $_ => pack('S a*', $AF_UNIX, "\0opsproof-$_") } qw(hold step);

sub fail {
    print STDERR @_, "\n";
    exit 1;
}

sub socket_of {
    socket my $socket, $AF_UNIX, $SOCK_STREAM, 0 or fail("socket: $!");
    return $socket;
}

sub taken {    # the socket that has the name now, or nothing where another one has it
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
    return $who =~ s/[^\x20-\x7e]/?/gr;    # anybody on the host may have taken the name
}

sub stand_by {    # whoever asks, until nobody is left to hold it for
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
    taken('step') or return print "busy a command that goes on although its action was cut off\n";
    listen $socket, 8;
    print "held\n";
    stand_by($socket, $who);
}

sub step {
    $^F = 255;    # what is opened from here on stays open in the command
    my $socket = taken('step') or fail('a command of another action still runs');
    no warnings 'exec';
    exec { $_[0] } @_;
    print STDERR "$_[0]: $!\n";
    exit($!{ENOENT} ? 127 : 126);
}

my $mode = shift @ARGV;
$mode eq 'hold' ? hold(@ARGV) : step(@ARGV);
