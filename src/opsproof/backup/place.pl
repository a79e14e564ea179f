# Puts one file of a copy in its place, whole or not at all, and tells the checksum of what then lies there.
#
# Arguments: FOLDER NAME
# The content comes by standard input and is written as NAME.partial. What follows it on the controlling side is
# the comparison: `place` prints "SHA256 BYTES" of the file as it was read back, and has given it no name yet.
# With a third argument, "name", NAME.partial gets its name. Needs perl-base and coreutils.
use strict;
use warnings;
use IO::Handle;

my ($folder, $name, $naming) = @ARGV;
umask 077;
chdir $folder or stop("$folder: $!");
$naming ? name_it() : write_it();

sub stop { print STDERR "$_[0]\n"; exit 1 }

sub name_it {
    rename "$name.partial", $name or stop("$folder/$name: $!");
    open my $here, '<', '.' or stop("$folder: $!");
    $here->sync or stop("$folder: $!");
}

sub write_it {
    open my $file, '>', "$name.partial" or stop("$folder/$name.partial: $!");
    binmode $_ for $file, *STDIN;
    while (my $got = sysread STDIN, my $part, 1 << 18) { put($file, $part) }
    $file->sync or stop("$folder/$name.partial: $!");
    close $file or stop("$folder/$name.partial: $!");
    open my $sum, '-|', 'sha256sum', '--', "$name.partial" or stop("sha256sum: $!");
    my ($sha256) = (<$sum> // '') =~ /^\\?([0-9a-f]{64}) / or stop('no checksum');
    printf "%s %d\n", $sha256, -s "$name.partial";
}

sub put {
    my ($file, $part) = @_;
    while (length $part) {
        my $done = syswrite $file, $part;
        stop("$folder/$name.partial: $!") unless defined $done;
        substr $part, 0, $done, '';
    }
}
