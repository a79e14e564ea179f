# What does a running PM2 daemon answer on its socket, without starting a daemon as the pm2 command would?
#
# Part of several programs: appended to json_text.pl, whose pragmas apply. The working directory must be
# PM2_HOME, because a socket address is limited to 107 characters. Needs only perl-base.

# Constants of Linux: loading Socket and Errno would take as long as the rest of the program.
my ($AF_UNIX, $SOCK_STREAM, $ENOENT, $ECONNREFUSED) = (1, 1, 2, 111);

# ---- the daemon: a message is an AMP frame with type-prefixed arguments

sub first_argument {    # undefined until the frame is complete
    my ($frame) = @_;
    my ($end, $size) = (1, length $$frame);
    for (1 .. ord($$frame) & 15) {
        return if $end + 4 > $size;
        $end += 4 + unpack 'N', substr $$frame, $end, 4;
    }
    return $end > 1 && $end <= $size ? unpack 'x N/a*', $$frame : undef;
}

sub exchange {
    my ($socket, $method, $argument) = @_;
    my ($received, $answer) = ('');
    my @arguments = (qq(j:{"type":"call","method":"$method","args":[$argument]}), "s:$$:0");
    syswrite $socket, pack 'C(N/a*)*', 1 << 4 | @arguments, @arguments;
    until (defined($answer = first_argument(\$received))) {
        sysread $socket, $received, 1 << 20, length $received
            or fail("the PM2 daemon closed the connection at $method");
    }
    return $answer =~ s/^..//sr;
}

sub connected {    # empty if no daemon listens
    socket my $socket, $AF_UNIX, $SOCK_STREAM, 0 or fail("socket: $!");
    return $socket if connect $socket, pack 'S a*', $AF_UNIX, 'rpc.sock';
    return if $! == $ENOENT || $! == $ECONNREFUSED;
    fail("rpc.sock: $!");
}

sub call {    # with a JSON argument
    my ($method, $argument) = (@_, '{}');
    my $socket = connected() or return;
    my $source = "the PM2 daemon's answer to $method";
    my $answer = fields(checked(exchange($socket, $method, $argument), $source), $source);
    my ($error) = ($answer->{error} // '') =~ /^"(.+)"\z/;
    fail($error // "$source is an error") if is_true($answer->{error});
    return (parts($answer->{args}, '[', $source))[0] // fail("$source is empty");
}

