# Makes a set of backup files with pg_dump: second part of a program that begins with set.pl.
#
# Arguments: FOLDER SET COMPRESSION CONNINFO LOCK_MS PASSWORDS CONTENTS NOT_DUMPED TABLES ROWS [CLIENT...]
#   SET          name of the set, without suffixes
#   COMPRESSION  zstd: compressed by pg_dump; wrapped: pg_dump's output piped through the program zstd
#   CONNINFO     libpq connection string without a password
#   LOCK_MS      lock timeout per table, in milliseconds
#   PASSWORDS    "with" or "without" the password hashes of roles
#   CONTENTS, NOT_DUMPED  SQL that returns one line of JSON
#   TABLES       SQL that lists the dumped tables
#   ROWS         psql script that counts the rows of the table :of
#   CLIENT       words in front of psql, pg_dump, pg_dumpall and pg_restore that run them in a container
#
# One session exports a snapshot for pg_dump, then reads the contents of the same snapshot for the manifest.
# Needs perl-base, coreutils, and zstd if pg_dump was built without it.
my ($compression, $conninfo, $lock_ms, $passwords, $contents, $not_dumped, $tables, $rows, @client) = @options;
# KILL, because pg_dump would react to TERM with a message of its own. KILL would not reach programs in a container.
$end = 'TERM' if @client;
dump_globals("$set.globals.sql");
require_roles("$set.globals.sql");
my $dump = $set . ($compression eq 'wrapped' ? '.dump.zst' : '.dump');
my ($server, $left_out, %tables) = dump_database($dump);
require_all($server, from_archive($dump, @client, qw(pg_restore --list)), keys %tables);
require_end($dump) if @client && %tables;
seal(manifest($server, $left_out, values %tables));
print "$set\n";

sub dump_globals {
    my @without = $passwords eq 'with' ? () : '--no-role-passwords';
    my @words = (@client, 'pg_dumpall', '--globals-only', @without, '--no-password', '-d', $conninfo);
    finish(start(undef, create(shift), @words));
}

# Docker may cut off the end of a long output and still report success.
sub require_roles {
    open my $file, '<', "$_[0].partial" or fail("$folder/$_[0].partial: $!");
    local $/;
    fail('pg_dumpall output was cut short') if (<$file> // '') !~ /^-- PostgreSQL database cluster dump complete\s*\n/m;
}

sub dump_database {
    my ($to, @from) = open_session();
    my @dumping = start_dump(shift, snapshot($to, $from[0]));
    my @contents = contents_beside(\@dumping, $to, @from);
    finish(@dumping);
    close $to;
    finish($from[1]);
    return @contents;
}

# The rows of a large database take as long as its dump: a failed dump ends the counting.
sub contents_beside {
    my ($dumping, $to, @from) = @_;
    local $SIG{CHLD} = sub { notice(@$dumping) };
    notice(@$dumping);
    print {$to} "$contents;\n$not_dumped\n$tables;\nSELECT 'end';\n";
    my ($server, $left_out, @listed) = lines_until_end(@from);
    return ($server, $left_out, map { counted($_, $to, @from) } @listed);
}

# Only the OID goes back to psql: in a script, a name could be a command of psql.
sub counted {
    my ($listed, $to, @from) = @_;
    my ($oid, $entry, $name) = $listed =~ /\A(\d+)\t(.*)\t\[(.*)\]\z/s or fail('psql did not list the tables');
    print {$to} "\\set of $oid\n$rows\n";
    my ($count) = map { /\ACOPY (\d+)\z/ } lines_until_end(@from);
    return ($entry => "[$name, " . ($count // fail("psql did not count the rows of [$name]")) . ']');
}

# A session that ends too early has told the reason on stderr.
sub lines_until_end {
    my ($from, $session, @lines) = @_;
    while (<$from>) {
        chomp;
        return @lines if $_ eq 'end';
        push @lines, $_;
    }
    finish($session);
    fail('psql did not report the contents of the snapshot');
}

sub open_session {
    pipe my $in, my $to or fail("pipe: $!");
    pipe my $from, my $out or fail("pipe: $!");
    my @words = (@client, qw(psql -XAtqw -F), "\t", qw(-v ON_ERROR_STOP=1 -d), $conninfo);
    my $pid = start($in, $out, @words);
    close $_ for $in, $out;
    $to->autoflush;
    return ($to, $from, $pid);
}

sub snapshot {
    my ($to, $from) = @_;
    print {$to} <<"SQL";
SET client_encoding = 'UTF8';
SET lock_timeout = $lock_ms;
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
 WHERE application_name = current_setting('application_name') AND usename = current_user
   AND datname = current_database() AND pid <> pg_backend_pid();
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT 'snapshot ' || pg_export_snapshot() || ' ' || current_setting('server_encoding');
SQL
    while (<$from>) { return ($1, $2) if /^snapshot (\S+) (\S+)$/ }
    fail('');
}

sub start_dump {
    my ($name, $snapshot, $encoding) = @_;
    # The encoding of the session may lack characters.
    my @words = (@client, qw(pg_dump --format=custom --no-password), "--lock-wait-timeout=$lock_ms",
        "--snapshot=$snapshot", "--encoding=$encoding", '-d', $conninfo);
    return start(undef, create($name), @words, '--compress=zstd:1') if $compression eq 'zstd';
    pipe my $in, my $out or fail("pipe: $!");
    my $dump = start(undef, $out, @words, '--compress=0');
    close $out;
    # zstd comes first: if zstd fails, pg_dump only reports a broken pipe.
    return (start($in, create($name), qw(zstd -q -1 -c)), $dump);
}

# The output of a program that reads the archive back from disk.
sub from_archive {
    my ($name, @words) = @_;
    open my $file, '<', "$name.partial" or fail("$name.partial: $!");
    return output_of($file, @words) if $compression eq 'zstd';
    pipe my $in, my $out or fail("pipe: $!");
    my $unwrap = start($file, $out, qw(zstd -q -d -c));
    close $out;
    my $text = output_of($in, @words);
    close $in;
    delete $running{$unwrap};    # ended by SIGPIPE if the program reads only the beginning
    waitpid $unwrap, 0;
    return $text;
}

sub require_all {
    my ($server, $list, @entries) = @_;
    # The list is in the encoding of the database; every other encoding has the same ASCII characters.
    my $other = $server =~ /"encoding" : "UTF8"/ ? qr/(?!)/ : qr/[^\0-\x7f]+/;
    $list =~ s/$other/?/g;
    my @missing = grep { index($list, ' ' . s/$other/?/gr . ' ') < 0 } @entries;
    fail('the archive does not list ' . join ', ', map { s/^TABLE DATA //r } @missing) if @missing;
}

# Docker sometimes cuts off the end of a long output and reports success: github.com/moby/moby/issues/49655.
# A complete archive ends with a block of length 0: one sign byte and four zero bytes.
sub require_end {
    fail('the end of the archive was lost on the way out of the container')
        if from_archive(shift, qw(tail -c 5)) ne "\0" x 5;
}

sub manifest {
    my ($server, $left_out, @tables) = @_;
    my ($version) = output_of(undef, @client, qw(pg_dump --version)) =~ /(.*)/;
    my @files = ('"dump": ' . file_of($dump), '"globals": ' . file_of("$set.globals.sql"));
    return join ",\n", beginning(),
        '"tools": {"pg_dump": ' . quoted($version) . ', "compression": ' . quoted($compression) . '}',
        '"files": {' . join(', ', @files) . '}', "\"server\": $server", "\"not_dumped\": $left_out",
        '"tables": [' . join(",\n", sort @tables) . ']';
}
