# Writes, renames, lists or removes files in a folder of backups or copies.
#
# Arguments: FOLDER VERB NAME...
#   put NAME        writes standard input to NAME.partial, reads the file back and prints "SHA256 BYTES";
#                   the caller compares the checksum, and calls `name` on success
#   name NAME       renames NAME.partial to NAME
#   list PREFIX     prints "file AGE NAME" for each file with the prefix, then "end"; AGE: seconds since the last write
#   unname NAME...  renames each NAME to NAME.partial: no longer a backup, but marked as one to remove
#   remove NAME...  removes the files and syncs the folder before exit
#   places          prints "BOOT DEVICE INODE" of the folder, equal for all paths that lead there, and of each folder above
# Needs perl-base and coreutils.
use strict;
use warnings;
use Errno;
use Fcntl;
use IO::Handle;
use POSIX ();

my ($folder, $verb, @names) = @ARGV;
my ($name) = @names;
umask 077;
chdir $folder or stop("$folder: $!");
my %verbs = (put => \&put, name => \&name_it, unname => \&unname, list => \&list, remove => \&remove, places => \&places);
$verbs{$verb}->();

sub stop { print STDERR "$_[0]\n"; exit 1 }

sub put {
    my $partial = "$name.partial";
    unlink $partial or $!{ENOENT} or stop("$folder/$partial: $!");
    # O_EXCL creates a new file and never writes through a link planted under the same name.
    sysopen my $file, $partial, O_WRONLY | O_CREAT | O_EXCL, 0600 or stop("$folder/$partial: $!");
    binmode $_ for $file, *STDIN;
    while (1) {
        my $got = sysread STDIN, my $part, 1 << 18;
        stop("reading: $!") unless defined $got;
        last unless $got;
        put_part($file, $part);
    }
    $file->sync or stop("$folder/$partial: $!");
    close $file or stop("$folder/$partial: $!");
    open my $sum, '-|', 'sha256sum', '--', $partial or stop("sha256sum: $!");
    my ($sha256) = (<$sum> // '') =~ /^\\?([0-9a-f]{64}) / or stop('no checksum');
    printf "%s %d\n", $sha256, -s $partial;
}

sub put_part {
    my ($file, $part) = @_;
    while (length $part) {
        my $done = syswrite $file, $part;
        stop("$folder/$name.partial: $!") unless defined $done;
        substr $part, 0, $done, '';
    }
}

sub name_it {
    rename "$name.partial", $name or stop("$folder/$name: $!");
    sync_folder();
}

sub unname {
    rename $_, "$_.partial" or $!{ENOENT} or stop("$folder/$_: $!") for @names;
    sync_folder();
}

# The boot tells machines apart, but not the containers of a machine.
sub places {
    my $id = (POSIX::uname())[1];    # without /proc, as in a chroot
    if (open my $boot, '<', '/proc/sys/kernel/random/boot_id') { chomp($id = <$boot>) }
    my ($here, $last) = ('.', '');
    while (1) {
        my ($device, $inode) = stat $here or stop("$folder: $!");
        my $place = "$id $device $inode\n";
        last if $place eq $last;    # .. of / is /
        print $last = $place;
        $here .= '/..';
    }
}

sub list {
    opendir my $here, '.' or stop("$folder: $!");
    for my $file (sort grep { index($_, $name) == 0 && !/\n/ } readdir $here) {
        my $modified = (lstat $file)[9] // next;    # removed meanwhile
        printf "file %d %s\n", time - $modified, $file if -f _;
    }
    print "end\n";
}

sub remove {
    unlink $_ or $!{ENOENT} or stop("$folder/$_: $!") for @names;
    sync_folder();
}

sub sync_folder {
    open my $here, '<', '.' or stop("$folder: $!");
    $here->sync or stop("$folder: $!");
}
