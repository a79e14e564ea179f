# Loads an archive into a new database: what it defines, the rows of each table over several sessions, the rest.
#
# Arguments: SOURCE TOKEN JOBS DEAL TARGET
#   SOURCE  the archive; with TOKEN, a folder: the archive comes by standard input, into a file there that has no name,
#           so that none is left however this ends; it is read when TOKEN has come behind it, and no sooner
#   JOBS    sessions at the same time
#   DEAL    1: the rows of each table are dealt out to all sessions; 0: pg_restore alone, a table a session
#   TARGET  how libpq reaches the database
# pg_restore writes rows for psql as a COPY statement, a row a line, and a line with \. behind the last. That is all
# that is dealt out: definitions, sequences, large objects it restores itself, and whatever else it writes is an error.
# Ends with status 0 when every program has ended well. Needs perl-base.
use strict;
use warnings;
use Fcntl qw(O_CREAT O_EXCL O_RDWR SEEK_END);

my ($source, $token, $jobs, $deal, $target) = @ARGV;
my $BLOCK = 2**18;
my $LONGEST = 2**22;        # of a statement without its rows: 1600 columns, of 63 letters each
my $F_SETPIPE_SZ = 1031;    # Linux's own
my @RESTORE = (qw(pg_restore --no-password --exit-on-error), "--dbname=$target");
my $ROWS = qr/\A\d+; \d+ \d+ TABLE DATA /;
my $IDLE = qr/\A(?:--[^\n]*|\\(?:un)?restrict [^\n]*|)\n/;
my $SETTING = qr/\A(?:SET [a-z_]+ = |SELECT pg_catalog\.set_config\()[^\n]*;\n/;
my $COPY = qr/\ACOPY (?:[^"\n]*+"(?:[^"]++|"")*+")*+[^"\n]* FROM stdin;\n/;
my ($kept, $script, @sessions);
my ($buffer, $turn, %running) = ('', 0);

$SIG{PIPE} = 'IGNORE';
my $archive = $token ? received() : $source;
if ($deal) {
    restore(undef, '--section=pre-data', $archive);
    my @list = output_of(qw(pg_restore --list), $archive);
    deal_out(grep { $_ =~ $ROWS } @list);
    restore([grep { $_ !~ $ROWS } @list], qw(--section=data --section=post-data), "--jobs=$jobs", $archive);
}
else { restore(undef, "--jobs=$jobs", $archive) }

sub stop {
    print STDERR "$_[0]\n" if length $_[0];
    kill TERM => keys %running;
    exit 1;
}

sub received {
    my $path = "$source/.restore";
    local $^F = 255;    # it stays open in pg_restore
    unlink $path;
    sysopen $kept, $path, O_RDWR | O_CREAT | O_EXCL, 0600 or stop("$path: $!");
    unlink $path or stop("$path: $!");
    while (sysread STDIN, my $block, $BLOCK) { written($kept, $block) or stop("$path: $!") }
    my $bytes = sysseek($kept, -length $token, SEEK_END) // stop('');
    sysread $kept, my $last, length $token;
    stop('') if $last ne $token;    # whoever feeds this says why
    truncate $kept, $bytes or stop("$path: $!");
    return '/proc/self/fd/' . fileno $kept;
}

sub tube {
    pipe my $from, my $to or stop("pipe: $!");
    fcntl $to, $F_SETPIPE_SZ, 2**20;    # fewer turns; refused, it is as it was
    return ($from, $to);
}

sub start {
    my ($in, $out, @words) = @_;
    my $pid = fork // stop("fork: $!");
    return $running{$pid} = $pid if $pid;
    $SIG{PIPE} = 'DEFAULT';
    open STDIN,  $in  ? '<&' : '<', $in  // '/dev/null';
    open STDOUT, $out ? '>&' : '>', $out // '/dev/null';
    no warnings 'exec';
    exec { $words[0] } @words;
    print STDERR "$words[0]: $!\n";
    exit 127;
}

# Waits until each has ended, and well: what it has to say is said already.
sub finish {
    for my $pid (@_) {
        waitpid $pid, 0;
        delete $running{$pid};
        stop('') if $?;
    }
}

sub output_of {
    my ($from, $to) = tube();
    my $pid = start(undef, $to, @_);
    close $to;
    my @lines = <$from>;
    finish($pid);
    return @lines;
}

sub restore {
    my ($list, @words) = @_;
    finish($list ? listed($list, undef, @RESTORE, @words) : start(undef, undef, @RESTORE, @words));
}

# Starts pg_restore for a part of the archive; it reads the list of it whole before anything else.
sub listed {
    my ($list, $out, @words) = @_;
    my ($in, $to) = tube();
    my $pid = start($in, $out, @words, '--use-list=/dev/stdin');
    close $in;
    written($to, join '', @$list);
    return $pid;
}

sub written {
    my ($to, $text) = @_;
    my $done = 0;
    while ($done < length $text) { $done += syswrite($to, $text, 2**20, $done) // return 0 }
    return 1;
}

sub deal_out {
    my @list = @_ or return;
    ($script, my $out) = tube();
    my @pids = listed(\@list, $out, qw(pg_restore --file=-), $archive);
    close $out;
    push @pids, session() for 1 .. $jobs;
    statements();
    close $_ for @sessions;
    finish(@pids);
}

sub session {
    my ($in, $to) = tube();
    push @sessions, $to;
    return start($in, undef, qw(psql -Xqw -v ON_ERROR_STOP=1 -d), $target);
}

sub more {
    return sysread($script, $buffer, $BLOCK, length $buffer) // stop("pg_restore: $!");
}

sub statements {
    while (1) {
        if    ($buffer =~ s/$IDLE//)      { }
        elsif ($buffer =~ s/($SETTING)//) { put($_, $1) for @sessions }
        elsif ($buffer =~ s/($COPY)//)    { rows($1) }
        elsif (length $buffer > $LONGEST) { last }
        elsif (!more())                   { last }
    }
    stop('pg_restore wrote something else than rows') if length $buffer;
}

sub put { written(@_) or stop('a session of psql has ended') }

# The rows of one table: as many whole ones at a time as a block holds; one that is longer goes to one session.
sub rows {
    my $copy = shift;
    my ($to, %begun);
    my $whole = 1;    # the buffer begins with a row, and not within one
    while (1) {
        my $bytes = next_bytes($whole) or last;
        $to = ready() if $whole;
        put($to, $copy) if !$begun{$to}++;
        $whole = substr($buffer, $bytes - 1, 1) eq "\n";
        put($to, substr $buffer, 0, $bytes, '');
    }
    substr $buffer, 0, 3, '';
    put($_, "\\.\n") for grep { $begun{$_} } @sessions;
}

# How much of the buffer is rows of the table, of a block at least where there are as many; 0 behind the last one.
sub next_bytes {
    my $whole = shift;
    while (1) {
        return 0 if $whole && $buffer =~ /\A\\\.\n/;
        my $end = index $buffer, "\n\\.\n";
        return $end + 1 if $end >= 0;
        last if length $buffer >= $BLOCK;
        more() || stop('pg_restore stopped within a table');
    }
    return rindex($buffer, "\n") + 1 || length $buffer;
}

# The next session that takes something without a wait.
sub ready {
    my $bits = '';
    vec($bits, fileno $_, 1) = 1 for @sessions;
    select undef, $bits, undef, undef;
    $turn++ until vec $bits, fileno $sessions[$turn % @sessions], 1;
    return $sessions[$turn++ % @sessions];
}
