# Tells what lies in a folder of backups, and reads one of them back. It changes nothing.
#
# Arguments: FOLDER NAME SET [CLIENT...]
#   NAME    of the declared backup
#   SET     the set of files that is read back: its name, "none", or "newest": none from the future, if there are others
#   CLIENT  words in front of pg_restore, for that of a container
# Prints a line for each of
#   me USER                              who asks
#   folder DEVICE MODE OWNER             its own
#   free BYTES                           that users may take of the file system
#   file BYTES MODE OWNER MODIFIED NAME  each file of NAME, complete or not
#   read SET                             the set that was read back
#   manifest: LINE                       each line of its manifest
#   sum SHA256 NAME                      each of its files
#   listed: LINE                         each line that pg_restore lists of its archive
#   unlisted MESSAGE                     why it lists none
#   end
# A crafted archive can take over the pg_restore that lists it: it is given none but that of the manifest.
# Ends with status 3 where there is no folder. Needs perl-base, coreutils, and zstd for what it wrapped.
use strict;
use warnings;
use Errno;
use POSIX ();

my ($folder, $name, $wanted, @client) = @ARGV;
my $FILE = qr/\A(\Q$name\E_\d{8}T\d{6}Z)\.(?:dump|dump\.zst|globals\.sql|manifest\.json)(?:\.partial)?\z/;

$ENV{LC_ALL} = 'C';
chdir $folder or leave("$folder: $!", $!{ENOENT} ? 3 : 1);
opendir my $here, '.' or leave("$folder: $!", 1);
my @files = sort grep { $_ =~ $FILE } readdir $here;
printf "me %s\n", user($>);
my ($device, $mode, $owner) = (stat '.')[0, 2, 4] or leave("$folder: $!", 1);
printf "folder %d %04o %s\n", $device, $mode & 07777, user($owner);
printf "free %s\n", (split /\n/, output_of(qw(df --block-size=1 --output=avail .)))[1] =~ /(\d+)/;
describe($_) for @files;
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
    my ($mode, $owner, $bytes, $modified) = (lstat $file)[2, 4, 7, 9] or return;    # it was removed meanwhile
    printf "file %d %04o %s %d %s\n", $bytes, $mode & 07777, user($owner), $modified, $file;
}

sub read_back {
    my $set = shift;
    print "read $set\n";
    my $manifest = text_of("$set.manifest.json");
    print map { "manifest: $_\n" } split /\n/, $manifest =~ s/\n\z//r, -1 if defined $manifest;
    my @parts = grep { /\A\Q$set\E\.(?:dump|dump\.zst|globals\.sql)\z/ } @files;
    my %sum = map { $_ => sum_of('sha256sum', '--', $_) } @parts;
    print "sum $sum{$_} $_\n" for @parts;
    for (grep { /\.dump(?:\.zst)?\z/ } @parts) {
        if   (vouched($manifest, "$set.manifest.json", $_, $sum{$_})) { list($_) }
        else                                                          { print "unlisted $_ is not that of its manifest\n" }
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

# Whether a manifest is whole, and says of this file that it has this checksum.
sub vouched {
    my ($manifest, $path, $file, $sum) = @_;
    my ($said, $own) = ($manifest // '') =~ /\A(.*),\s*"checksum": "([0-9a-f]{64})"\}\s*\z/s or return;
    return if sum_of('sh', '-c', 'head -c "$0" -- "$1" | sha256sum', length $said, $path) ne $own;
    return $said =~ /"files": \{"dump": \{"name": "\Q$file\E", "bytes": \d+, "sha256": "$sum"\}/;
}

# pg_restore reads the beginning of the archive alone; what is wrapped ends then by SIGPIPE.
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
