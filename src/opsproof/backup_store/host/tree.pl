# Which files, folders and links lie under some paths, and what do they contain? Changes nothing.
#
# Arguments: VERB COUNT PATH... PATTERN...
#   VERB     list: every entry; sums: with the checksum of each file; summary: numbers, for a plan;
#            tar: writes an archive of the names on standard input, each ended by NUL, to standard output
#   COUNT    number of PATHs
#   PATTERN  shell pattern of paths to leave out
# Prints these lines; bytes of names outside of printable ASCII, spaces and backslashes are octal, as in fstab(5):
#   entry KIND MODE OWNER GROUP BYTES MODIFIED SHA256 LINK STATE PATH TARGET   KIND f, d, l, p (FIFO) or s (socket), b, c
#   lacking PATH REASON                  a path, or a file below, that cannot be archived
#   skipped PATH KIND                    a socket or a device
#   number FILES BYTES                   summary: of files
#   end
# LINK is equal for names of one file, STATE for an unchanged file; both, SHA256 and TARGET are - where they do not apply.
# Links are not followed. Needs perl-base, coreutils, find, and GNU tar.
use strict;
use warnings;
use Cwd ();
use Errno;

my ($verb, $count, @words) = @ARGV;
my $FIELDS = join '', map { "$_\\0" } qw(%y %m %u %g %s %T@ %C@ %D:%i %n %l %p);
my %KINDS = (s => 'socket', b => 'device', c => 'device', D => 'door');

$ENV{LC_ALL} = 'C';
archive() if $verb eq 'tar';
my @paths    = map { m{\A/} ? $_ : Cwd::getcwd() . "/$_" } @words[0 .. $count - 1];
chdir '/';    # find returns to its folder, which may be closed to this user
my @excluded = @words[$count .. $#words];
my (@entries, @lacking, @skipped);
find(grep { is_there($_) } @paths);
my $sums = $verb eq 'sums' ? sums(map { $_->{path} } grep { $_->{kind} eq 'f' } @entries) : {};
$verb eq 'summary' ? summary() : print map { line($_, $sums->{$_->{path}}) } @entries;
print map { "lacking @$_\n" } few(@lacking);
print map { "skipped @$_\n" } few(@skipped);
print "end\n";

sub fail { print STDERR "$_[0]\n"; exit 1 }

# A plan names some: its answer is short.
sub few { return $verb eq 'summary' ? splice @_, 0, 20 : @_ }

sub lacks { push @lacking, [escaped($_[0]), $_[1]] }

sub is_there {
    my $path = shift;
    if (!lstat $path) {
        lacks($path, $!{ENOENT} || $!{ENOTDIR} ? 'does not exist' : "cannot be read: $!");
        return 0;
    }
    return 1 unless -l _;
    my $target = Cwd::abs_path($path);
    my $known = defined $target && grep { within($target, Cwd::abs_path($_) // $_) } grep { $_ ne $path } @paths;
    lacks($path, 'is a symbolic link: the backup has the link alone, so add its target') unless $known;
    return 1;
}

sub within { return $_[0] eq $_[1] || index($_[0], "$_[1]/") == 0 }

# Unreadable folders are not entered. What vanishes meanwhile is not reported by find, but by a second list.
sub find {
    return unless @_;
    my @out    = map { ('-path', $_, '-prune', '-o') } @excluded;
    my @closed = (qw{( -type d ( ! -readable -o ! -executable ) -prune -printf}, 'x\0');
    my @words  = ('-printf', $FIELDS, @closed, qw{-o -type f ! -readable -printf}, 'x\0', qw{-o -printf}, 'r\0', ')');
    open my $from, '-|', 'find', '-P', @_, '-ignore_readdir_race', @out, @words or fail("find: $!");
    binmode $from;
    local $/ = "\0";
    while (defined(my $kind = <$from>)) {
        my @rest = map { scalar(<$from>) // fail('find was cut short') } 1 .. 11;
        chomp($kind, @rest);
        add($kind, @rest);
    }
    close $from or fail('find failed' . ($? >> 8 ? '' : ', ended by a signal'));
}

sub add {
    my ($kind, $mode, $owner, $group, $bytes, $modified, $changed, $inode, $names, $target, $path, $readable) = @_
        [0 .. 9, 10, 11];
    return push @skipped, [escaped($path), $KINDS{$kind} // 'unknown'] if $kind !~ /\A[fdlp]\z/;
    return lacks($path, 'cannot be read: Permission denied') if $readable ne 'r' && $kind ne 'l';
    my $link  = $kind eq 'f' && $names > 1 ? $inode                       : '-';
    my $state = $kind eq 'd'               ? $inode                       : "$inode/$changed";
    push @entries, {
        kind => $kind, mode => sprintf('%04o', oct $mode), owner => $owner, group => $group, link => $link,
        bytes => $kind eq 'f' ? $bytes : 0, modified => $modified, state => $state, path => $path, target => $target,
    };
}

sub line {
    my ($entry, $sum) = @_;
    my @fields = (@$entry{qw(kind mode owner group bytes modified)}, $sum // '-', @$entry{qw(link state path)});
    return join(' ', 'entry', map({ escaped($_) } @fields), $entry->{kind} eq 'l' ? escaped($entry->{target}) : '-') . "\n";
}

sub summary {
    my ($files, $bytes) = (0, 0);
    $_->{kind} eq 'f' and $files++, $bytes += $_->{bytes} for @entries;
    print "number $files $bytes\n";
}

# A file that vanishes has no checksum.
sub sums {
    return {} unless @_;
    pipe my $in, my $to or fail("pipe: $!");
    my $pid = fork // fail("fork: $!");
    if (!$pid) {
        close $in;
        print {$to} map { "$_\0" } @_;
        close $to or exit 1;
        exit 0;
    }
    close $to;
    open STDIN, '<&', $in or fail("xargs: $!");
    open STDERR, '>', '/dev/null';
    open my $from, '-|', qw(xargs --null --no-run-if-empty sha256sum --zero --) or fail("xargs: $!");
    local $/ = "\0";
    my %sum = map { chomp; /\A([0-9a-f]{64})  (.*)\z/s ? ($2 => $1) : () } <$from>;
    close $from;
    waitpid $pid, 0;
    return \%sum;
}

sub archive {
    my @names = qw(--directory=/ --null --verbatim-files-from --no-recursion --files-from=-);
    no warnings 'exec';
    exec qw(tar --create --file=- --format=posix --sparse --acls --xattrs), @names;
    fail("tar: $!");
}
