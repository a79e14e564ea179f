# What a PM2 daemon runs and what its saved list would resurrect, without secrets.
#
# Sent to a host as `perl -e` with the argument PM2_HOME. Talks to the daemon's own socket:
# the pm2 command starts a daemon where none runs.
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
# Values stay the JSON text they came in: PM2 writes them alike in both lists, but for the
# space between them. Needs only perl-base.
use strict;
use warnings;

sub fail {
    print STDERR @_, "\n";
    exit 1;
}

# ---- JSON. Perl bounds how often a group repeats: groups of groups repeat often enough.

my $SPACE  = qr/[ \t\r\n]*+/;
my $PLAIN  = qr/[^"\\\x00-\x1f]*+/;
my $ESCAPE = qr/\\(?:["\\\/bfnrt]|u[0-9a-fA-F]{4})/;
my $STRING = qr/"$PLAIN(?:(?:$ESCAPE$PLAIN){1,9999}+)*+"/;
my $NUMBER = qr/-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][-+]?[0-9]++)?+/;
my $KEY    = qr/$SPACE$STRING$SPACE:/;
my $VALUE  = qr/$SPACE(?:$STRING|$NUMBER|true|false|null)/;
my $START  = qr/$VALUE|$SPACE\[|$SPACE\{/;

my %DUE = (    # by the bracket around: all up to the end of its last value, or to a bracket inside
    ''  => qr/\G(?:$START)/,
    '[' => qr/\G(?:(?:$VALUE$SPACE,){1,9999}+)*+(?:$START)/,
    '{' => qr/\G(?:(?:$KEY$VALUE$SPACE,){1,9999}+)*+$KEY(?:$START)/,
);
my %END = ('[' => qr/\G$SPACE\]/, '{' => qr/\G$SPACE\}/);

my $WANTED = qr/"(?:args|error|version|name|pid|pm2_env|monit|memory|status|restart_time
    |exec_mode|pm_(?:exec_path|cwd|uptime)|pmx_module)"/x;
my $OTHERS = qr/\G(?:(?:$SPACE(?!$WANTED)$KEY$VALUE$SPACE,){1,9999}+)++/;

sub skip_value {    # false when none is there
    my ($json, @open) = ($_[0], '');
    while ($$json =~ /$DUE{$open[-1]}/gc) {
        my $last = substr $$json, pos($$json) - 1, 1;
        push @open, $last if $END{$last};
        my $depth = @open;
        pop @open while @open > 1 && $$json =~ /$END{$open[-1]}/gc;
        return 1 if @open == 1;
        next     if $END{$last} && @open == $depth;
        $$json =~ /\G$SPACE,/gc or return 0;
    }
    return 0;
}

sub checked {
    my ($text, $source) = @_;
    return $text if skip_value(\$text) && $text =~ /\G$SPACE\z/;
    fail("$source is not JSON");
}

sub next_value {    # of a checked text, as all below
    my ($json) = @_;
    $$json =~ /\G$SPACE/gc;
    my $from = pos $$json;
    skip_value($json);
    return substr $$json, $from, pos($$json) - $from;
}

sub parts {    # a list's values, or an object's keys and values in turn, without some that nobody wants
    my ($text, $bracket, $source) = @_;
    ($text // '') =~ /^$SPACE\Q$bracket\E/ or fail("$source is not what PM2 writes");
    pos($text) = $+[0];
    my @parts;
    until ($text =~ /$END{$bracket}/gc) {
        next if $text =~ /$OTHERS/gc;
        push @parts, next_value(\$text);
        $text =~ /\G$SPACE[,:]/gc;
    }
    return @parts;
}

sub fields {
    my ($text, $source) = @_;
    my %value = parts($text, '{', $source);
    return { map { substr($_, 1, -1) => $value{$_} } keys %value };
}

sub object {    # from names and values in turn
    my @pairs;
    while (my ($name, $value) = splice @_, 0, 2) {
        push @pairs, qq("$name":$value) if defined $value;
    }
    return '{' . join(',', @pairs) . '}';
}

sub list { return '[' . join(',', @_) . ']' }

sub is_true { return ($_[0] // 'null') !~ /^(?:null|false|0|"")\z/ }

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

sub call {    # nothing where no daemon listens; Linux's own numbers, as loading Socket takes as long as all else
    my ($method) = @_;
    socket my $socket, 1, 1, 0 or fail("socket: $!");
    connect $socket, pack 'S a*', 1, 'rpc.sock' or $!{ENOENT} || $!{ECONNREFUSED} ? return : fail("rpc.sock: $!");
    my $source = "the PM2 daemon's answer to $method";
    my $answer = fields(checked(exchange($socket, $method), $source), $source);
    fail($answer->{error} =~ s/^"(.*)"\z/$1/sr) if is_true($answer->{error});
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
    open my $file, '<:raw', $path or $!{ENOENT} ? return : fail("$path: $!");
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
    chdir $home or fail("$home: $!");    # the address of a socket has room for 107 characters
    $SIG{PIPE} = 'IGNORE';
    my ($daemon, $saved) = (daemon(), saved());
    print object(daemon => $daemon, saved => $saved, tool_version => tool_version()), "\n";
}

main(@ARGV);
