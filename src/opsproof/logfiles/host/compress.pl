# Compresses one rotated file. A kill at any moment leaves the plain file, the compressed file, or both.
#
# Last part of a program: joined behind json_text.pl and writers.pl, and sent to the host as `perl -e` with the
# argument PATH. The compressed file is read back and compared before the plain file is deleted.
#
# Prints one line of JSON: bytes, the size of the compressed file, or null if the disk is full.
# Exit: 0 done, or disk full; 1 failed. Needs perl-base and gzip.
use Fcntl qw(O_CREAT O_EXCL O_WRONLY);
use IO::Handle;
use POSIX ();

my ($path) = @ARGV;
my $packed = "$path.gz";
my $part   = "$packed.part";

sub give_up {
    my $why = "@_";
    unlink $part;
    fail($why);
}

sub gzip {    # starts gzip between two handles; returns its process ID and a handle with its stderr
    my ($mode, $from, $to) = @_;
    my $child = open(my $said, '-|') // give_up("fork: $!");
    return ($child, $said) if $child;
    open STDERR, '>&', \*STDOUT;
    open STDIN,  '<&', $from or POSIX::_exit(126);
    open STDOUT, '>&', $to   or POSIX::_exit(126);
    no warnings 'exec';
    exec 'gzip', $mode;
    print STDERR "gzip: $!\n";
    POSIX::_exit(127);
}

sub create_part {    # with the mode and owner of the plain file before the first byte
    my ($mode, $owner, $group) = @_[2, 4, 5];
    unlink $part;
    sysopen my $file, $part, O_WRONLY | O_CREAT | O_EXCL, $mode & 0600 or return;
    binmode $file;
    if (!$>) { chown $owner, $group, $file or return }
    chmod $mode & 07777, $file or return;
    return $file;
}

sub write_packed {    # returns the error, or an empty string
    my ($plain) = @_;
    my $file = create_part(stat $plain) or return "$part: $!";
    my ($child, $said) = gzip('-c', $plain, $file);
    my $complaint = join ' ', <$said>;
    close $said;
    return $complaint =~ s/\s+/ /gr || "gzip ended with status $?" if $?;
    return $file->sync && close $file ? '' : "$part: $!";
}

sub is_same {    # whether the compressed file has the content of the plain file
    my ($plain) = @_;
    open my $file, '<:raw', $part or return 0;
    pipe my $out, my $in or return 0;
    my ($child, $said) = gzip('-dc', $file, $in);
    close $in;
    seek $plain, 0, 0;
    my ($one, $other, $same) = ('', '', 1);
    while ($same && sysread $out, $one, 1 << 16) {
        read $plain, $other, length $one;
        $same = $one eq $other;
    }
    close $out;
    close $said;
    return $same && !$? && !read $plain, $other, 1;
}

sub flush_folder {
    my ($folder) = split_path($path);
    open my $handle, '<', $folder or fail("$folder: $!");
    $handle->sync;
}

sub main {
    fail("$path is no file") if -l $path || !-f _;
    open my $plain, '<:raw', $path or fail("$path: $!");
    my ($modified) = (stat $plain)[9];
    fail("$path is still written to") if writers_of($path);
    if (my $why = write_packed($plain)) {
        unlink $part;
        return print object(bytes => 'null'), "\n" if $why =~ /No space left|quota exceeded/;
        fail($why);
    }
    give_up("$packed differs from $path") if !is_same($plain);
    utime $modified, $modified, $part;
    rename $part, $packed or give_up("$packed: $!");
    flush_folder();
    unlink $path or fail("$path: $!");
    print object(bytes => -s $packed), "\n";
}

main();
