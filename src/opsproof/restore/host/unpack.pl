# Which entries of an archive differ from its list of contents, after it was unpacked into a new folder?
#
# Arguments: FOLDER ARCHIVE CONTENTS READER COUNT PATH... -- [WORD...]
#   FOLDER    the new folder, which is made with mode 0700
#   ARCHIVE   archive made by tar and zstd; CONTENTS is its list
#   READER    the program tree.pl
#   COUNT     number of PATHs to unpack and compare with their owners; 0: the whole archive
#   WORD      words in front of perl that run the unpacking as another user
# Prints these lines:
#   differs PATH REASON   an entry that is missing, or differs from CONTENTS; the path with octal escapes
#   unpacked FILES BYTES
#   end
# The caller has compared both files with their checksums. Needs perl-base, coreutils, find, GNU tar and zstd.
use strict;
use warnings;
use Cwd ();
use POSIX ();

my ($folder, $archive, $contents, $reader, $count, @rest) = @ARGV;
my @paths = splice @rest, 0, $count;
shift @rest;    # --
my @as = @rest;
$folder = Cwd::getcwd() . "/$folder" if $folder !~ m{\A/};
my $UNPACK = <<'PERL';
my ($folder, @paths) = @ARGV;
umask 077;
mkdir $folder or die "$folder: $!\n";
chdir $folder or die "$folder: $!\n";
umask 022;
my @words = qw(--extract --file=- --preserve-permissions --delay-directory-restore --acls --xattrs --sparse --no-unquote);
exec 'tar', @words, "--directory=$folder", '--', @paths or die "tar: $!\n";
PERL
my @FIELDS = qw(kind mode owner group size time checksum);

$ENV{LC_ALL} = 'C';
$SIG{PIPE} = 'IGNORE';
open my $list, '<', $contents or fail("$contents: $!");
my @all = map { chomp; [split / /] } <$list>;
my %wanted = map { $_->[8] => $_ } grep { is_wanted($_->[8]) } @all;
fail("nothing of @paths is in $archive") unless %wanted;
require_owners();
piped([@as, 'perl', '-e', $UNPACK, '--', $folder, map { unescaped($_) =~ s{\A/}{}r } chosen()]);
my ($files, $bytes) = compare(found());
print "unpacked $files $bytes\nend\n";

sub fail { print STDERR "$_[0]\n"; exit 1 }

sub is_wanted {
    my $path = shift;
    return !@paths || grep { $path eq $_ || index($path, "$_/") == 0 } @paths;
}

# The paths that the archive has; of a file with several names, the archive has the content at the first name.
sub chosen {
    my %linked = map { $_->[7] => 1 } grep { $_->[7] ne '-' } values %wanted;
    my @others = grep { $linked{$_->[7]} && !$wanted{$_->[8]} } @all;
    return ((grep { $wanted{$_} } @paths), map { $_->[8] } @others);
}

sub piped {
    my ($words, $out) = @_;
    pipe my $in, my $to or fail("pipe: $!");
    my $unpack = spawned(undef, $to, 'zstd', '-q', '-d', '-c', '--', $archive);
    close $to;
    my $reading = spawned($in, $out, @$words);
    close $in;
    for ([$reading, $words->[0]], [$unpack, 'zstd']) {
        waitpid $_->[0], 0;
        fail("$_->[1] failed") if $? && !($_->[1] eq 'zstd' && ($? & 127) == POSIX::SIGPIPE());
    }
}

sub spawned {
    my ($in, $out, @words) = @_;
    my $pid = fork // fail("fork: $!");
    return $pid if $pid;
    $SIG{PIPE} = 'DEFAULT';
    open STDIN,  '<&', $in  if $in;
    open STDOUT, '>&', $out if $out;
    no warnings 'exec';
    exec { $words[0] } @words;
    print STDERR "$words[0]: $!\n";
    POSIX::_exit(127);
}

# Only root gives files to other users, so owners are compared in the archive itself; its members are in the order of the
# list.
sub require_owners {
    pipe my $from, my $out or fail("pipe: $!");
    my $pid = fork // fail("fork: $!");
    if (!$pid) {
        close $from;
        piped([qw(tar --list --verbose --quoting-style=escape --file=-)], $out);
        POSIX::_exit(0);
    }
    close $out;
    my $number = 0;
    while (<$from>) {
        my ($owners) = m{\A\S+ (.+?) +\d+(?:,\d+)? \d{4}-\d\d-\d\d };
        my $entry = $all[$number++] // fail("$archive has more members than its list");
        fail("tar lists $entry->[8] without an owner") unless defined $owners;
        @$entry[2, 3] = map { escaped($_) } split m{/}, $owners, 2 if $entry->[0] eq '-';
        differs($entry->[8], "owner $owners in the archive, $entry->[2]/$entry->[3] in the list")
            if $owners ne unescaped("$entry->[2]/$entry->[3]");
    }
    waitpid $pid, 0;
    fail('tar cannot list the archive') if $?;
    fail("$archive has $number members, its list has " . @all) if $number != @all;
}

sub differs { print "differs $_[0] $_[1]\n" }

sub found {
    open my $from, '-|', @as, 'perl', '-e', $reader, '--', 'sums', 1, $folder or fail("perl: $!");
    my @lines = map { chomp; [split / /] } <$from>;
    close $from or fail('the unpacked files cannot be listed');
    fail('the list of unpacked files was cut short') if !@lines || $lines[-1][0] ne 'end';
    my $above = escaped($folder);
    return {map { substr($_->[10], length $above) => [@$_[1 .. 8, 10, 11]] } grep { $_->[0] eq 'entry' } @lines};
}

sub compare {
    my $found = shift;
    my ($files, $bytes, %link) = (0, 0);
    for my $path (sort keys %wanted) {
        my ($entry, $made) = ($wanted{$path}, $found->{$path});
        differs($path, 'is missing'), next unless $made;
        $files++, $bytes += $made->[4] if $made->[0] eq 'f';
        my @fields = $entry->[0] eq '-' ? () : $entry->[0] eq 'l' ? (0) : $entry->[0] eq 'f' ? (0, 1, 4, 5, 6) : (0, 1);
        push @fields, 2, 3 if @paths;    # what is put in place must have its owner
        differs($path, "$FIELDS[$_] $made->[$_], was $entry->[$_]") for grep { $made->[$_] ne $entry->[$_] } @fields;
        next if $entry->[0] eq '-';    # changed while tar read it
        differs($path, "target $made->[9], was $entry->[9]") if $made->[9] ne $entry->[9];
        next if $entry->[7] eq '-';
        differs($path, 'is no longer another name of the same file') if ($link{$entry->[7]} //= $made->[7]) ne $made->[7];
    }
    return ($files, $bytes);
}
