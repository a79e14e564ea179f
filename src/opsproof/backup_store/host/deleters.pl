# Which users can delete or overwrite the files of a copy? Changes nothing.
#
# Arguments: FOLDER NAME...
#   NAME  the files of a copy in the folder
# Prints these lines:
#   me UID USER                                   login user
#   entry MODE UID GROUP WRITABLE PROTECTED NAME  the folder, as ".", and each file
#     WRITABLE   1 if the login may write, by modes, access lists and the mount
#     PROTECTED  1 if the file system refuses removal and overwriting, but to root (chattr +i or +a)
#   end
# Needs perl-base.
use strict;
use warnings;
use filetest 'access';

my ($folder, @names) = @ARGV;
my $FS_IOC_GETFLAGS = 0x80086601;
my $IMMUTABLE_OR_APPEND_ONLY = 0x30;

chdir $folder or stop("$folder: $!");
printf "me %d %s\n", $>, user($>);
describe($_) for '.', @names;
print "end\n";

sub stop { print STDERR "$_[0]\n"; exit 1 }

sub user { return (getpwuid $_[0])[0] // $_[0] }

sub describe {
    my $name = shift;
    my ($mode, $uid, $gid) = (lstat $name)[2, 4, 5] or stop("$folder/$name: $!");
    my $group = (getgrgid $gid)[0] // $gid;
    printf "entry %04o %d %s %d %d %s\n", $mode & 07777, $uid, $group, -w $name ? 1 : 0, protected($name), $name;
}

sub protected {
    my $name = shift;
    my $flags = pack 'L!', 0;
    open my $file, '<', $name or return 0;    # unreadable: its mode and owner decide
    ioctl $file, $FS_IOC_GETFLAGS, $flags or return 0;    # a file system without such flags
    return unpack('L!', $flags) & $IMMUTABLE_OR_APPEND_ONLY ? 1 : 0;
}
