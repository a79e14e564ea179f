# Which backup files does a folder hold, and are the files of one set intact? Changes nothing.
#
# Arguments: FOLDER NAME SET [CLIENT...]
#   NAME    name of the declared backup
#   SET     set to read back: its name, "none", or "newest" (a set dated in the future only if all sets are)
#   CLIENT  words in front of pg_restore that run it in a container
# Prints these lines:
#   me USER                              login user
#   folder DEVICE MODE OWNER             the folder itself
#   place BOOT DEVICE INODE              equal for all paths that lead to the folder
#   free BYTES                           free space for unprivileged users
#   file BYTES MODE OWNER MODIFIED NAME  each file of backup NAME, complete or partial
#   odd KIND NAME                        an entry with the name of a backup file, but no file: a directory, FIFO or link
#   read SET                             the set read back
#   manifest: LINE                       each line of the manifest
#   sum SHA256 NAME                      each file of the set
#   listed: LINE                         each line of pg_restore --list
#   unlisted MESSAGE                     why pg_restore listed nothing
#   end
# A crafted archive can exploit pg_restore, so pg_restore reads an archive only if it matches the manifest.
# Exit status 3: the folder does not exist. Needs perl-base, coreutils, and zstd for wrapped archives.
use strict;
use warnings;
use Errno;
use POSIX ();

my ($folder, $name, $wanted, @client) = @ARGV;
my $PART = qr/dump|dump\.zst|globals\.sql|tar\.zst|contents/;
my $FILE = qr/\A(\Q$name\E_\d{8}T\d{6}Z)\.(?:$PART|manifest\.json)(?:\.partial)?\z/;

$ENV{LC_ALL} = 'C';
chdir $folder or leave("$folder: $!", $!{ENOENT} ? 3 : 1);
opendir my $here, '.' or leave("$folder: $!", 1);
my @named = sort grep { $_ =~ $FILE } readdir $here;
my @files = grep { -f } @named;
printf "me %s\n", user($>);
my ($device, $mode, $owner) = (stat '.')[0, 2, 4] or leave("$folder: $!", 1);
printf "folder %d %04o %s\n", $device, $mode & 07777, user($owner);
printf "free %s\n", (split /\n/, output_of(qw(df --block-size=1 --output=avail .)))[1] =~ /(\d+)/;
describe($_) for @files;
printf "odd %s %s\n", kind($_), $_ for grep { !-f && (-l || -e) } @named;
my ($set) = $wanted eq 'newest' ? newest(map { /(.*)\.manifest\.json\z/ } @files) : $wanted;
read_back($set) if defined $set && $set ne 'none';
print "end\n";

sub leave {
    my ($message, $status) = @_;
    print STDERR "$message\n";
    exit $status;
}

sub user { return (getpwuid $_[0])[0] // $_[0] }

sub newest {
    my $ahead = POSIX::strftime("${name}_%Y%m%dT%H%M%SZ", gmtime(time + 3600));
    return ((reverse grep { $_ le $ahead } @_), reverse @_)[0];
}

sub output_of {
    open my $from, '-|', @_ or leave("$_[0]: $!", 1);
    local $/;
    my $text = <$from> // '';
    close $from or leave("$_[0] ended with status " . ($? >> 8), 1);
    return $text;
}

sub describe {
    my $file = shift;
    my ($mode, $owner, $bytes, $modified) = (lstat $file)[2, 4, 7, 9] or return;    # removed meanwhile
    printf "file %d %04o %s %d %s\n", $bytes, $mode & 07777, user($owner), $modified, $file;
}

# Reading a FIFO would wait for ever, and a directory cannot be removed like a file.
sub kind {
    return -l $_[0] ? 'link' : -d _ ? 'directory' : -p _ ? 'FIFO' : 'device';
}

sub read_back {
    my $set = shift;
    print "read $set\n";
    my $manifest = text_of("$set.manifest.json");
    print map { "manifest: $_\n" } split /\n/, $manifest =~ s/\n\z//r, -1 if defined $manifest;
    my @parts = grep { /\A\Q$set\E\.(?:$PART)\z/ } @files;
    my %sum = map { $_ => sum_of('sha256sum', '--', $_) } @parts;
    print "sum $sum{$_} $_\n" for @parts;
    for (grep { /\.dump(?:\.zst)?\z/ } @parts) {
        if   (vouched($manifest, "$set.manifest.json", $_, $sum{$_})) { list($_) }
        else                                                          { print "unlisted $_ does not match its manifest\n" }
    }
}

sub text_of {
    open my $file, '<', shift or return;
    local $/;
    return scalar <$file>;
}

sub sum_of {
    my ($sha256) = output_of(@_) =~ /^\\?([0-9a-f]{64}) / or leave("$_[-1]: no checksum", 1);
    return $sha256;
}

# Whether a manifest is intact and lists the file with the checksum.
sub vouched {
    my ($manifest, $path, $file, $sum) = @_;
    my ($said, $own) = ($manifest // '') =~ /\A(.*),\s*"checksum": "([0-9a-f]{64})"\}\s*\z/s or return;
    return if sum_of('sh', '-c', 'head -c "$0" -- "$1" | sha256sum', length $said, $path) ne $own;
    return $said =~ /"files": \{"dump": \{"name": "\Q$file\E", "bytes": \d+, "sha256": "$sum"\}/;
}

# pg_restore reads only the beginning of the archive; zstd is then ended by SIGPIPE.
sub list {
    my $file = shift;
    my $input = $file =~ /\.zst\z/ ? 'zstd -q -d -c -- "$0" 2>/dev/null |' : '<"$0"';
    my $script = "exec 2>&1; $input " . '"$@"';
    my $pid = open my $from, '-|', 'sh', '-c', $script, $file, @client, qw(pg_restore --list) or leave("sh: $!", 1);
    my @lines = <$from>;
    chomp @lines;
    close $from;
    return print map { "listed: $_\n" } @lines unless $?;
    printf "unlisted %s\n", $lines[-1] // 'no message';
}
