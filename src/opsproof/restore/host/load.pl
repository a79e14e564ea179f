# Loads an archive into a new database, with the rows of each table split over several sessions.
#
# Arguments: SOURCE TOKEN JOBS DEAL PART TARGET [OPTION...]
#   SOURCE  the archive; with TOKEN, a folder: the archive is read from standard input into an unlinked file there,
#           which cannot outlive this program, and is used only after TOKEN has arrived at the end
#   JOBS    number of parallel sessions
#   DEAL    1: rows of each table are split over all sessions; 0: pg_restore alone, one session for each table
#   PART    all; or own: without owners, and without what by_superuser.pl makes, for a role without rights
#   TARGET  the connection string of the database
#   OPTION  of pg_restore, in addition
# pg_restore prints the rows of a table as a COPY statement: a row per line, then a line with \. at the end. Only rows
# are split over sessions; pg_restore itself restores definitions, sequences and large objects. Other output is an
# error. Exit status 0: every program succeeded. Needs perl-base.
use strict;
use warnings;
use Fcntl qw(O_CREAT O_EXCL O_RDWR SEEK_END);

my ($source, $token, $jobs, $deal, $part, $target, @options) = @ARGV;
my $BLOCK = 2**18;
my $LONGEST = 2**22;        # COPY statement without rows: 1600 columns with names of 63 bytes
my $F_SETPIPE_SZ = 1031;    # Linux only
# Without --verbose, pg_restore does not print the server's warnings.
my @RESTORE = (qw(pg_restore --no-password --exit-on-error --verbose), "--dbname=$target", @options);
push @RESTORE, '--no-owner' if $part eq 'own';
my $ROWS = qr/\A\d+; \d+ \d+ TABLE DATA /;
my $BY_SUPERUSER = qr/\A\d+; \d+ \d+ (?:ACL|DEFAULT ACL|SCHEMA|EXTENSION|COMMENT - (?:EXTENSION|SCHEMA)) /;
my $LAST = qr/\A\d+; \d+ \d+ (?:(?:COMMENT|SECURITY LABEL) .*(?:TRIGGER|POLICY)|(?:EVENT )?TRIGGER|ROW SECURITY|POLICY) /;
my $IDLE = qr/\A(?:--[^\n]*|\\(?:un)?restrict [^\n]*|)\n/;
my $SETTING = qr/\A(?:SET [a-z_]+ = |SELECT pg_catalog\.set_config\()[^\n]*;\n/;
my $COPY = qr/\ACOPY (?:[^"\n]*+"(?:[^"]++|"")*+")*+[^"\n]* FROM stdin;\n/;
my ($kept, $script, @sessions);
my ($buffer, $turn, %running) = ('', 0);

$SIG{PIPE} = 'IGNORE';
my $archive = $token ? received() : $source;
my @last;
if ($deal) {
    restore($part eq 'own' ? [contained()] : undef, '--section=pre-data', $archive);
    my @list = contained();
    deal_out(grep { $_ =~ $ROWS } @list);
    restore([grep { $_ !~ $ROWS } @list], qw(--section=data --section=post-data), "--jobs=$jobs", $archive);
}
else { restore([contained()], "--jobs=$jobs", $archive) }
restore(\@last, $archive) if @last;

# The archive's list. Triggers and row security are apart, for the end: event triggers would fire for the definitions
# after them, policies would hide rows from a role without rights, and a parallel session may alter the trigger of a
# partition before another has made it for the partitioned table.
sub contained {
    my @all = output_of(qw(pg_restore --list), $archive);
    @all = grep { $_ !~ $BY_SUPERUSER } @all if $part eq 'own';
    @last = grep { $_ =~ $LAST } @all;
    return grep { $_ !~ $LAST } @all;
}

sub stop {
    print STDERR "$_[0]\n" if length $_[0];
    kill TERM => keys %running;
    exit 1;
}

sub received {
    my $path = "$source/.restore";
    local $^F = 255;    # the file stays open in pg_restore
    unlink $path;
    sysopen $kept, $path, O_RDWR | O_CREAT | O_EXCL, 0600 or stop("$path: $!");
    unlink $path or stop("$path: $!");
    while (sysread STDIN, my $block, $BLOCK) { written($kept, $block) or stop("$path: $!") }
    my $bytes = sysseek($kept, -length $token, SEEK_END) // stop('');
    sysread $kept, my $last, length $token;
    stop('') if $last ne $token;    # the feeding program prints the reason
    truncate $kept, $bytes or stop("$path: $!");
    return '/proc/self/fd/' . fileno $kept;
}

sub tube {
    pipe my $from, my $to or stop("pipe: $!");
    fcntl $to, $F_SETPIPE_SZ, 2**20;    # fewer context switches; optional
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

# Waits for programs and stops at a failure; the programs print their own errors.
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

# Starts pg_restore for the entries in a list; pg_restore reads the whole list first.
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
    stop('unexpected output of pg_restore: not rows') if length $buffer;
}

sub put { written(@_) or stop('a psql session ended early') }

# Splits the rows of a table in blocks of whole rows; a row longer than a block goes to a single session.
sub rows {
    my $copy = shift;
    my ($to, %begun);
    my $whole = 1;    # the buffer begins at the start of a row
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

# The number of bytes to send: whole rows of at least a block if possible; 0 after the last row.
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

# The next session that accepts data without blocking.
sub ready {
    my $bits = '';
    vec($bits, fileno $_, 1) = 1 for @sessions;
    select undef, $bits, undef, undef;
    $turn++ until vec $bits, fileno $sessions[$turn % @sessions], 1;
    return $sessions[$turn++ % @sessions];
}
