# What a PM2 daemon runs and what its saved list would resurrect, without secrets.
#
# The second half of one program: it is joined behind json_text.pl, and both are sent to a host
# as `perl -e` with the argument PM2_HOME. Talks to the daemon's own socket: the pm2 command
# starts a daemon where none runs.
#
# Prints one line of JSON:
#   daemon: null where none runs, or version, started_ms (of whole seconds), processes
#     [{name, script, folder, arguments, mode, pid, status, restarts, started_ms, memory_bytes, module}];
#   saved: null where there is none, or [{name, script, folder, arguments, mode}] without modules;
#   tool_version: of the pm2 in the search path.
# Arguments may hold secrets: in their place stands a number, the same for the same arguments
# within one answer. What PM2 does not tell is left out.
# Exit: 0 answered, 1 not, with one line on stderr that never quotes what cannot be read.
#
# PM2 writes a text alike in both lists, so that texts are compared undecoded. Needs only perl-base.

# Linux's own: to load Socket and Errno takes as long as all the rest.
my ($AF_UNIX, $SOCK_STREAM, $ENOENT, $ECONNREFUSED) = (1, 1, 2, 111);

# ---- the daemon: a message is a frame of the AMP protocol, its arguments prefixed with their type

sub first_argument {    # nothing while the frame is not whole
    my ($frame) = @_;
    my ($end, $size) = (1, length $$frame);
    for (1 .. ord($$frame) & 15) {
        return if $end + 4 > $size;
        $end += 4 + unpack 'N', substr $$frame, $end, 4;
    }
    return $end > 1 && $end <= $size ? unpack 'x N/a*', $$frame : undef;
}

sub exchange {
    my ($socket, $method) = @_;
    my ($received, $answer) = ('');
    my @arguments = (qq(j:{"type":"call","method":"$method","args":[{}]}), "s:$$:0");
    syswrite $socket, pack 'C(N/a*)*', 1 << 4 | @arguments, @arguments;
    until (defined($answer = first_argument(\$received))) {
        sysread $socket, $received, 1 << 20, length $received
            or fail("the PM2 daemon closed the connection at $method");
    }
    return $answer =~ s/^..//sr;
}

sub connected {    # nothing where no daemon listens
    socket my $socket, $AF_UNIX, $SOCK_STREAM, 0 or fail("socket: $!");
    return $socket if connect $socket, pack 'S a*', $AF_UNIX, 'rpc.sock';
    return if $! == $ENOENT || $! == $ECONNREFUSED;
    fail("rpc.sock: $!");
}

sub call {
    my ($method) = @_;
    my $socket = connected() or return;
    my $source = "the PM2 daemon's answer to $method";
    my $answer = fields(checked(exchange($socket, $method), $source), $source);
    my ($error) = ($answer->{error} // '') =~ /^"(.+)"\z/;
    fail($error // "$source is an error") if is_true($answer->{error});
    return (parts($answer->{args}, '[', $source))[0] // fail("$source is empty");
}

# ---- the lists

my %number;    # by the arguments

sub arguments {    # a single text stands for the same as its words in a list
    my ($raw) = @_;
    my @words = !is_true($raw) ? () : $raw =~ /^\[/ ? parts($raw, '[') : $raw;
    my $text  = join ' ', map { s/^"(.*)"\z/$1/sr } @words;
    my $next  = keys %number;
    return $number{$text} //= $next;
}

sub shape {
    my ($name, $env) = @_;
    my @place = (script => $env->{pm_exec_path}, folder => $env->{pm_cwd});
    return (name => $name, @place, arguments => arguments($env->{args}), mode => $env->{exec_mode});
}

sub running {    # the daemon has most in pm2_env, the saved list has all at the top
    my ($text, $source) = @_;
    my $entry = fields($text, $source);
    my ($env, $monit) = map { fields($_, $source) } @$entry{qw(pm2_env monit)};
    my @counts = (status => $env->{status}, restarts => $env->{restart_time}, started_ms => $env->{pm_uptime});
    my $module = is_true($env->{pmx_module}) ? 'true' : 'false';
    my @now    = (pid => $entry->{pid}, @counts, memory_bytes => $monit->{memory}, module => $module);
    return object(shape($entry->{name}, $env), @now);
}

sub daemon {
    my $list    = call('getMonitorData') // return 'null';
    my $version = call('getVersion')     // return 'null';
    my $started = (stat 'pm2.pid')[9]    // fail("pm2.pid: $!");
    my $source  = q(the PM2 daemon's list);
    my @running = map { running($_, $source) } parts($list, '[', $source);
    return object(version => $version, started_ms => 1000 * $started, processes => list(@running));
}

sub file {    # nothing where there is none
    my ($path) = @_;
    open my $file, '<:raw', $path or $! == $ENOENT ? return : fail("$path: $!");
    local $/;
    return readline($file) // fail("$path: $!");
}

sub saved {
    my $text   = file('dump.pm2') // return 'null';
    my $source = 'the saved list dump.pm2';
    my @saved  = map { fields($_, $source) } parts(checked($text, $source), '[', $source);
    return list(map { object(shape($_->{name}, $_)) } grep { !is_true($_->{pmx_module}) } @saved);
}

sub tool_version {
    my ($path) = grep { -e } map { "$_/pm2" } split /:/, $ENV{PATH};
    fail('pm2 is not in the search path') if !defined $path;
    while (defined(my $link = readlink $path)) {
        $path = $link =~ m{^/} ? $link : $path =~ s{[^/]*\z}{$link}r;
    }
    my $text = file($path =~ s{[^/]*\z}{../package.json}r) // fail("$path is without its package.json");
    return fields(checked($text, 'package.json of pm2'), 'package.json of pm2')->{version};
}

sub main {
    my ($home) = @_;
    -d $home or fail("$home: $!");
    my $version = tool_version();        # before the folder changes: the search path may hold relative ones
    chdir $home or fail("$home: $!");    # the address of a socket has room for 107 characters
    $SIG{PIPE} = 'IGNORE';
    my ($daemon, $saved) = (daemon(), saved());
    print object(daemon => $daemon, saved => $saved, tool_version => $version), "\n";
}

main(@ARGV);
