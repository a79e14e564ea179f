# Makes one backup on its host: all of it, or nothing that could be taken for one.
#
# Arguments: FOLDER SET COMPRESSION CONNINFO LOCK_MS PASSWORDS CONTENTS ROWS [CLIENT...]
#   SET          the name of the set of files, without suffixes
#   COMPRESSION  zstd: inside pg_dump; wrapped: what it wrote goes through the program zstd
#   CONNINFO     of libpq, without a password
#   LOCK_MS      how long the lock of a table is waited for
#   PASSWORDS    "with" or "without" those of the roles, which are hashes
#   CONTENTS     a query that answers with one line of JSON, ROWS one that makes the queries which count
#   CLIENT       words in front of psql, pg_dump, pg_dumpall and pg_restore, for those of a container
#
# One session exports a snapshot, which pg_dump reads; the same session then tells what is in it. Every file is
# written as *.partial and gets its name when it is on the disk; the manifest is the last one. Every exit status
# counts, also those in a pipe. Killed at any moment, it leaves files without a manifest: no backup.
# Needs perl-base, coreutils, and zstd where pg_dump has none.
use strict;
use warnings;
use Errno;
use Fcntl;
use IO::Handle;
use POSIX ();

my ($folder, $set, $compression, $conninfo, $lock_ms, $passwords, $contents, $rows, @client) = @ARGV;
my %written;     # handle of each file that is not yet complete, by its name
my %running;     # the programs that run, by process
my $complete;

umask 077;
$ENV{LC_ALL} = 'C';
$SIG{$_} = sub { fail('interrupted') } for qw(HUP INT TERM);
$SIG{PIPE} = 'IGNORE';

my $began = time;
my $started = clock();
chdir $folder or fail("$folder: $!");
fail("$folder/$set is there already") if -e "$set.manifest.json";
dump_globals("$set.globals.sql");
require_roles("$set.globals.sql");
my $dump = $set . ($compression eq 'wrapped' ? '.dump.zst' : '.dump');
my ($server, %tables) = dump_database($dump);
require_all(from_archive($dump, @client, qw(pg_restore --list)), keys %tables);
require_end($dump) if @client && %tables;
seal(manifest($server, values %tables));
print "$set\n";

sub clock { return (POSIX::times())[0] / POSIX::sysconf(&POSIX::_SC_CLK_TCK) }

sub fail {
    print STDERR "$_[0]\n" if length($_[0] // '');
    # Not asked but killed, because pg_dump would have the last word. Those in a container cannot be reached from here.
    kill +(@client ? 'TERM' : 'KILL') => keys %running;
    unlink map { ("$_.partial", $complete ? () : $_) } keys %written;
    exit 1;
}

sub create {
    my $name = shift;
    # Made anew: whatever somebody may have put there, a link to another file for instance, is not written to.
    sysopen my $file, "$name.partial", O_WRONLY | O_CREAT | O_EXCL, 0600 or fail("$folder/$name.partial: $!");
    return $written{$name} = $file;
}

# Starts a program with its input from one handle and its output to another; either may be undefined.
sub start {
    my ($in, $out, @words) = @_;
    my $pid = fork // fail("fork: $!");
    become($in, $out, @words) unless $pid;
    $running{$pid} = $words[0];
    return $pid;
}

sub become {
    my ($in, $out, @words) = @_;
    $SIG{$_} = 'DEFAULT' for qw(HUP INT TERM PIPE);
    if ($in) { open STDIN, '<&', $in }
    else     { open STDIN, '<', '/dev/null' }
    open STDOUT, '>&', $out if $out;
    no warnings 'exec';
    exec { $words[0] } @words;
    print STDERR "$words[0]: $!\n";
    POSIX::_exit($!{ENOENT} ? 127 : 126);
}

# Waits until each of these has ended, and well: what they have to say is said already.
sub finish {
    for my $pid (@_) {
        my $name = delete $running{$pid};
        waitpid $pid, 0;
        fail('') if $? >> 8;
        fail("$name was ended by signal " . ($? & 127)) if $?;
    }
}

sub output_of {
    my ($in, @words) = @_;
    pipe my $out, my $end or fail("pipe: $!");
    my $pid = start($in, $end, @words);
    close $end;
    local $/;
    my $text = <$out> // '';
    finish($pid);
    return $text;
}

sub dump_globals {
    my @without = $passwords eq 'with' ? () : '--no-role-passwords';
    my @words = (@client, 'pg_dumpall', '--globals-only', @without, '--no-password', '-d', $conninfo);
    finish(start(undef, create(shift), @words));
}

# Docker may lose the end of a long output, and calls that a success.
sub require_roles {
    open my $file, '<', "$_[0].partial" or fail("$folder/$_[0].partial: $!");
    local $/;
    fail('the end of the roles was lost') if (<$file> // '') !~ /^-- PostgreSQL database cluster dump complete\s*\n/m;
}

sub dump_database {
    my ($to, $from, $session) = open_session();
    my @dumping = start_dump(shift, snapshot($to, $from));
    print {$to} "$contents;\n$rows\n\\gexec\nSELECT 'end';\n";
    finish(@dumping);
    close $to;
    my ($server, @counted) = <$from>;
    finish($session);
    chomp($server, @counted);
    fail('psql did not tell what the snapshot holds') unless @counted && pop(@counted) eq 'end';
    return ($server, map { /\A(.*)\t(.*)\z/s } @counted);
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
SET statement_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET lock_timeout = $lock_ms;
SET row_security = off;
SET search_path = pg_catalog;
SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout';
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
 WHERE application_name = current_setting('application_name') AND usename = current_user
   AND datname = current_database() AND pid <> pg_backend_pid();
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT 'snapshot ' || pg_export_snapshot();
SQL
    while (<$from>) { return $1 if /^snapshot (\S+)$/ }
    fail('');
}

sub start_dump {
    my ($name, $snapshot) = @_;
    my @words = (@client, qw(pg_dump --format=custom --no-password), "--lock-wait-timeout=$lock_ms",
        "--snapshot=$snapshot", '-d', $conninfo);
    return start(undef, create($name), @words, '--compress=zstd:1') if $compression eq 'zstd';
    pipe my $in, my $out or fail("pipe: $!");
    my $dump = start(undef, $out, @words, '--compress=0');
    close $out;
    # zstd comes first: where it fails, pg_dump only says that nobody listens any more.
    return (start($in, create($name), qw(zstd -q -1 -c)), $dump);
}

# What a program makes of the archive, which it reads back from the file.
sub from_archive {
    my ($name, @words) = @_;
    open my $file, '<', "$name.partial" or fail("$name.partial: $!");
    return output_of($file, @words) if $compression eq 'zstd';
    pipe my $in, my $out or fail("pipe: $!");
    my $unwrap = start($file, $out, qw(zstd -q -d -c));
    close $out;
    my $text = output_of($in, @words);
    close $in;
    delete $running{$unwrap};    # where only the beginning is read, it ends by SIGPIPE
    waitpid $unwrap, 0;
    return $text;
}

sub require_all {
    my ($list, @entries) = @_;
    my @missing = grep { index($list, " $_ ") < 0 } @entries;
    fail('the archive does not list ' . join ', ', map { s/^TABLE DATA //r } @missing) if @missing;
}

# Docker loses the end of a long output now and then, and calls that a success: github.com/moby/moby/issues/49655.
# An archive ends with a part of length 0, which is a sign and four bytes.
sub require_end {
    fail('the end of the archive was lost on the way out of the container')
        if from_archive(shift, qw(tail -c 5)) ne "\0" x 5;
}

sub manifest {
    my ($server, @tables) = @_;
    my ($version) = output_of(undef, @client, qw(pg_dump --version)) =~ /(.*)/;
    my @files = ('"dump": ' . file_of($dump), '"globals": ' . file_of("$set.globals.sql"));
    my $text = join ",\n", '{"format": 1', '"name": ' . quoted($set),
        sprintf('"began": %d, "duration_s": %.2f', $began, clock() - $started),
        '"tools": {"pg_dump": ' . quoted($version) . ', "compression": ' . quoted($compression) . '}',
        '"files": {' . join(', ', @files) . '}', "\"server\": $server", '"tables": [' . join(",\n", sort @tables) . ']';
    return $text . ",\n\"checksum\": \"" . sha256_of($text) . "\"}\n";
}

sub file_of {
    my $name = shift;
    my $bytes = -s "$name.partial";
    my ($sha256) = output_of(undef, 'sha256sum', '--', "$name.partial") =~ /^\\?([0-9a-f]{64}) /;
    return sprintf '{"name": %s, "bytes": %d, "sha256": "%s"}', quoted($name), $bytes, $sha256 // fail('no checksum');
}

sub quoted {
    my $text = shift;
    $text =~ s/([\\"\x00-\x1f])/sprintf '\\u%04x', ord $1/ge;
    return "\"$text\"";
}

sub sha256_of {
    pipe my $in, my $to or fail("pipe: $!");
    pipe my $from, my $out or fail("pipe: $!");
    my $pid = start($in, $out, 'sha256sum');
    close $_ for $in, $out;
    print {$to} shift;
    close $to;
    my ($sha256) = (<$from> // '') =~ /^([0-9a-f]{64}) /;
    finish($pid);
    return $sha256 // fail('no checksum');
}

# Everything on the disk, then the names, then the name that makes it a backup.
sub seal {
    my $name = "$set.manifest.json";
    my $file = create($name);
    print {$file} shift or fail("$folder/$name.partial: $!");
    for (sort keys %written) {
        $written{$_}->flush && $written{$_}->sync or fail("$folder/$_.partial: $!");
    }
    named($_) for grep { $_ ne $name } sort keys %written;
    sync_folder();
    named($name);
    $complete = 1;
    sync_folder();
}

sub named { rename "$_[0].partial", $_[0] or fail("$folder/$_[0]: $!") }

sub sync_folder {
    open my $here, '<', '.' or fail("$folder: $!");
    $here->sync or fail("$folder: $!");
}
