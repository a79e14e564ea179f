# Makes one backup set on the host: a complete set, or no backup at all.
#
# First part of dump.pl and archive.pl: pragmas and variables of this file apply to them. Arguments: FOLDER SET ...
# Every file is written as *.partial and renamed once it is synced to disk; the manifest is renamed last. Every exit
# status is checked, also within pipes. If killed at any moment, the program leaves files without a manifest: no backup.
use strict;
use warnings;
use Cwd ();
use Errno;
use Fcntl;
use IO::Handle;
use POSIX ();

my ($folder, $set, @options) = @ARGV;
my %written;     # handles of the files that are not complete yet, by name
my %running;     # names of the running programs, by PID
my $complete;
my $end = 'KILL';    # the signal that ends running programs after a failure

umask 077;
$ENV{LC_ALL} = 'C';
$SIG{$_} = sub { fail('interrupted') } for qw(HUP INT TERM);
$SIG{PIPE} = 'IGNORE';

my $home  = Cwd::getcwd();    # relative paths of files begin there
my $began = time;
my $started = clock();
chdir $folder or fail("$folder: $!");
fail("$folder/$set already exists") if -e "$set.manifest.json";

sub clock { return (POSIX::times())[0] / POSIX::sysconf(&POSIX::_SC_CLK_TCK) }

sub fail {
    print STDERR "$_[0]\n" if length($_[0] // '');
    kill $end => keys %running;
    # The partial manifest is the last: it marks the other files as a backup that was begun.
    my @written = sort { ($a =~ /\.manifest\.json\z/) <=> ($b =~ /\.manifest\.json\z/) } keys %written;
    unlink map { ($complete ? () : $_, "$_.partial") } @written;
    exit 1;
}

sub create {
    my $name = shift;
    # O_EXCL creates a new file and never writes through a link planted under the same name.
    sysopen my $file, "$name.partial", O_WRONLY | O_CREAT | O_EXCL, 0600 or fail("$folder/$name.partial: $!");
    return $written{$name} = $file;
}

# Starts a program with these handles; without $in it reads /dev/null, without $out it inherits standard output.
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

# Waits for the programs, and fails if any failed.
sub finish {
    for my $pid (@_) {
        my $name = delete $running{$pid} // next;    # noticed already
        waitpid $pid, 0;
        require_success($name);
    }
}

# Fails if any of these programs has failed so far.
sub notice {
    local $!;
    my $status = $?;    # local would change the status of exit
    for my $pid (@_) {
        require_success(delete $running{$pid}) if waitpid($pid, POSIX::WNOHANG()) == $pid;
    }
    $? = $status;
}

# A failed program has told the reason on stderr.
sub require_success {
    my ($name) = @_;
    fail('') if $? >> 8;
    fail("$name was ended by signal " . ($? & 127)) if $?;
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

# The first lines of a manifest.
sub beginning {
    my $times = sprintf '"began": %d, "duration_s": %.2f', $began, clock() - $started;
    return ('{"format": 1', '"name": ' . quoted($set), $times);
}

# Adds the checksum to the text of the manifest, syncs all files, renames them, and renames the manifest last, which
# completes the backup.
sub seal {
    my $text = shift;
    my $name = "$set.manifest.json";
    my $file = create($name);
    print {$file} "$text,\n\"checksum\": \"", sha256_of($text), "\"}\n" or fail("$folder/$name.partial: $!");
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
