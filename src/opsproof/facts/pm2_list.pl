# What a PM2 daemon runs and what its saved list would resurrect, without secrets.
#
# Sent to a host as `perl -e` with the argument PM2_HOME. Talks to the daemon's own socket:
# the pm2 command starts a daemon where none runs.
#
# Prints one line of JSON:
#   daemon: null where none runs, or version, started_ms (since 1970, of whole seconds) and
#     processes [{name, script, folder, arguments, mode, pid, status, restarts, started_ms,
#     memory_bytes, module}];
#   saved: null where there is none, or [{name, script, folder, arguments, mode}] without modules;
#   tool_version: of the pm2 in the search path.
# What PM2 leaves out is left out. Arguments may hold secrets: in their place stands a number,
# the same for the same arguments within one answer.
# Exit: 0 answered, 1 not, with one line on stderr that never quotes what cannot be read.
#
# Values stay the JSON text they came in, which PM2 writes the same way in both lists: only
# space between values differs. Needs only perl-base.
use strict;
use warnings;
use Cwd qw(realpath);
use Socket qw(AF_UNIX SOCK_STREAM pack_sockaddr_un);

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
my $SCALAR = qr/$STRING|$NUMBER|true|false|null/;
my $KEY    = qr/$SPACE$STRING$SPACE:/;
my $ITEM   = qr/$SPACE$SCALAR$SPACE,/;
my $VALUE  = qr/$SPACE(?:$SCALAR|[[{])/;

my %DUE = (    # by the bracket around: all up to the end of its last value, or to a bracket inside
    ''  => qr/\G$VALUE/,
    '[' => qr/\G(?:(?:$ITEM){1,9999}+)*+$VALUE/,
    '{' => qr/\G(?:(?:$KEY$ITEM){1,9999}+)*+$KEY$VALUE/,
);
my %END = ('[' => qr/\G$SPACE\]/, '{' => qr/\G$SPACE\}/);

my $WANTED = qr/"(?:args|error|version|name|pid|pm2_env|monit|memory|status|restart_time
    |exec_mode|pm_(?:exec_path|cwd|uptime)|pmx_module)"/x;
my $OTHERS = qr/\G(?:(?:$SPACE(?!$WANTED)$KEY$ITEM){1,9999}+)++/;

sub skip_value {    # false when none is there
    my ($json, @open) = @_;
    while ($$json =~ /$DUE{@open ? $open[-1] : ''}/gc) {
        my $last   = substr $$json, pos($$json) - 1, 1;
        my $opened = exists $END{$last} && push @open, $last;
        my $before = @open;
        pop @open while @open && $$json =~ /$END{$open[-1]}/gc;
        return 1 if !@open;
        next if $opened && $before == @open;
        $$json =~ /\G$SPACE,/gc or return 0;
    }
    return 0;
}

sub checked {
    my ($text, $source) = @_;
    return $text if skip_value(\$text) && $text =~ /\G$SPACE\z/;
    fail("$source is not JSON");
}

sub next_value {
    my ($json) = @_;
    $$json =~ /\G$SPACE/gc;
    my $from = pos $$json;
    skip_value($json);
    return substr $$json, $from, pos($$json) - $from;
}

sub parts {    # of a checked text: a list's values, or an object's keys and values in turn
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

sub fields {    # the wanted ones, and some others
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

# ---- the daemon: each message is a frame of the AMP protocol, its arguments prefixed with their type

sub frame {
    return pack 'C(N/a*)*', 1 << 4 | @_, @_;
}

sub first_argument {    # nothing while the frame is not whole
    my ($received) = @_;
    my ($end, $size) = (1, length $$received);
    for (1 .. ord($$received) & 15) {
        return if $end + 4 > $size;
        $end += 4 + unpack 'N', substr $$received, $end, 4;
    }
    return if $end == 1 || $end > $size;
    return unpack 'x N/a*', $$received;
}

sub connected {    # nothing where no daemon listens
    socket my $socket, AF_UNIX, SOCK_STREAM, 0 or fail("socket: $!");
    return $socket if connect $socket, pack_sockaddr_un('rpc.sock');
    fail("rpc.sock: $!") if !$!{ENOENT} && !$!{ECONNREFUSED};
    return;
}

sub received {
    my ($socket, $method) = @_;
    my ($buffer, $answer) = ('');
    until (defined($answer = first_argument(\$buffer))) {
        sysread $socket, $buffer, 1 << 20, length $buffer
            or fail("the PM2 daemon closed the connection at $method");
    }
    return $answer;
}

sub call {    # nothing where no daemon runs
    my ($method) = @_;
    my $socket = connected() or return;
    syswrite $socket, frame(qq(j:{"type":"call","method":"$method","args":[{}]}), "s:$$:0");
    my $text   = received($socket, $method);
    my $source = "the PM2 daemon's answer to $method";
    my $answer = fields(checked(substr($text, 0, 2, '') && $text, $source), $source);
    fail($answer->{error} =~ s/^"(.*)"\z/$1/sr) if is_true($answer->{error});
    return (parts($answer->{args}, '[', $source))[0];
}

# ---- the lists

my %number;    # by the arguments

sub arguments {    # a text that is given stands for the same as its words in a list
    my ($raw) = @_;
    my @words = is_true($raw) ? $raw =~ /^\[/ ? parts($raw, '[') : $raw : ();
    my $text  = join ' ', map { s/^"(.*)"\z/$1/sr } @words;
    my $next  = keys %number;
    return $number{$text} //= $next;
}

sub shape {
    my ($name, $settings) = @_;
    my ($script, $folder, $mode) = @$settings{qw(pm_exec_path pm_cwd exec_mode)};
    return (name => $name, script => $script, folder => $folder, arguments => arguments($settings->{args}), mode => $mode);
}

sub running {    # the daemon's list has most in pm2_env, the saved one has all at the top
    my ($text, $source) = @_;
    my $entry = fields($text, $source);
    my ($env, $monit) = map { fields($_, $source) } @$entry{qw(pm2_env monit)};
    return object(
        shape($entry->{name}, $env),
        pid          => $entry->{pid},
        status       => $env->{status},
        restarts     => $env->{restart_time},
        started_ms   => $env->{pm_uptime},
        memory_bytes => $monit->{memory},
        module       => is_true($env->{pmx_module}) ? 'true' : 'false',
    );
}

sub daemon {
    my $source    = q(the PM2 daemon's list);
    my $processes = call('getMonitorData') // return 'null';
    my $version   = call('getVersion')     // return 'null';
    my $started   = (stat 'pm2.pid')[9]    // fail("pm2.pid: $!");
    my @running   = map { running($_, $source) } parts($processes, '[', $source);
    return object(version => $version, started_ms => $started * 1000, processes => list(@running));
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
    my ($folder) = grep { -e "$_/pm2" } split /:/, $ENV{PATH};
    fail('pm2 is not in the search path') if !defined $folder;
    my $path = realpath("$folder/pm2") =~ s{[^/]*/[^/]*\z}{package.json}r;
    my $text = file($path) // fail("$path is not there");
    return fields(checked($text, $path), $path)->{version};
}

sub main {
    my ($home) = @_;
    chdir $home or fail("$home: $!");    # a socket's path has room for 107 characters
    $SIG{PIPE} = 'IGNORE';
    my ($daemon, $saved) = (daemon(), saved());
    print object(daemon => $daemon, saved => $saved, tool_version => tool_version()), "\n";
}

main(@ARGV);
