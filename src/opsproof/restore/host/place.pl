# Which files does an interrupted restore concern, and what is needed to complete it? Swaps files on request.
#
# Arguments: VERB STAGING STAMP PATH...
#   VERB     look: changes nothing; changed: prints an x for each file written since STAMP, in seconds since 1970;
#            make: makes the folder STAGING; mark: records that the unpacked files are as in the backup;
#            swap: puts them in place, if each is a PATH; remove: removes the PATHs, or without any STAGING
#   STAGING  folder beside the PATHs, with the unpacked files in `tree`
#   STAMP    the replaced PATH is kept as PATH_before_STAMP
# `look` prints:
#   mount PATH          a mount point: a PATH, what an earlier restore replaced, or below one
#   gone PATH           a PATH that is missing
#   closed-path PATH    a folder that the user may not rename, because he may not write in it
#   closed FOLDER       a folder in which the user may not rename files
#   shared FOLDER       a folder in which other users, except root, may rename files, or replace a folder above
#   before PATH         what an earlier restore replaced
#   staging STATE PATH  a folder of an earlier restore: swapping (begun to put files in place), or left
#   end
# A staging folder that the user does not own is not looked at: it may name any file. In a shared folder nothing is changed.
# The mark has the inode of each unpacked PATH, so that a later run sees which names were swapped. The user
# of the files runs this program. Needs perl-base, coreutils and find.
use strict;
use warnings;
use Config;
use Cwd ();
use Errno;
use Fcntl;
use IO::Handle;

my ($verb, $staging, $stamp, @paths) = @ARGV;
my %RENAMEAT2 = (x86_64 => 316, aarch64 => 276, riscv64 => 276, i386 => 353, i686 => 353);
my ($AT_FDCWD, $EXCHANGE) = (-100, 2);
my %verbs = (look => \&look, make => \&make, mark => \&mark, swap => \&swap, remove => \&remove, changed => \&changed);

umask 077;
chdir '/';    # the folder of the login may be closed to this user
@paths = map { unescaped($_) } @paths;
$verbs{$verb}->();

sub fail { print STDERR "$_[0]\n"; exit 1 }

sub folder_of { return $_[0] =~ m{\A(.+)/[^/]+\z} ? $1 : '/' }

sub identity {
    my (undef, $inode) = lstat $_[0] or return '';    # the number of the device may change when the host boots
    return $inode;
}

sub is_ours {
    my ($mode, $uid) = (lstat $_[0])[2, 4] or return 0;
    return -d _ && $uid == $> && !($mode & 077);
}

# The folder itself, each folder above as named, and each to which symbolic links lead.
sub is_safe {
    my $folder = shift;
    for (my $named = $folder ;; $named = folder_of($named)) {
        my $at = Cwd::abs_path($named) // return 0;
        for (;; $at = folder_of($at)) {
            return 0 if others_may_rename($at, $named eq $folder && $at eq Cwd::abs_path($folder));
            last if $at eq '/';
        }
        return 1 if $named eq '/';
    }
}

# In a sticky folder others may not rename what is ours, but may have made what is not.
sub others_may_rename {
    my ($folder, $is_last) = @_;
    my ($mode, $uid, $gid) = (stat $folder)[2, 4, 5] or return 1;
    return 1 if $uid != $> && $uid != 0;
    my $writers = $mode & (is_own_group($gid) ? 002 : 022);
    return $writers && ($is_last || !($mode & 01000));
}

# The group that useradd makes for one user.
sub is_own_group {
    my ($user, $own) = (getpwuid $>)[0, 3] or return 0;
    my ($group, $members) = (getgrgid $_[0])[0, 3] or return 0;
    return $_[0] == $own && $group eq $user && !grep { $_ ne $user } split / /, $members;
}

sub require_safe {
    is_safe($_[0]) or fail("other users may rename files in $_[0], or replace a folder above");
}

sub require_ours {
    require_safe(folder_of($staging));
    is_ours($staging) or fail("$staging is not a private folder of this user");
}

sub entries {
    my $folder = shift;
    opendir my $here, $folder or return;
    return map { "$folder/$_" } sort readdir $here;
}

sub look {
    my %folders = map { folder_of($_) => 1 } @paths;
    for my $path (@paths) {
        print 'gone ',        escaped($path), "\n" if !identity($path);
        print 'closed-path ', escaped($path), "\n" if is_fixed($path);
        my @before = grep { /\A\Q$path\E_before_\d{8}T\d{6}Z\z/ } entries(folder_of($path));
        print 'before ', escaped($_), "\n" for @before;
        print 'mount ',  escaped($_), "\n" for map { mounts($_) } $path, @before;
    }
    my ($name) = $staging =~ m{([^/]*_restoring_)};
    for my $folder (sort keys %folders) {
        my $there = $folder;
        $there = folder_of($there) until -e $there;
        print 'closed ', escaped($folder), "\n" if !-w $there;
        print('shared ', escaped($folder), "\n"), next if !is_safe($there);
        my @stagings = grep { m{/\Q$name\E\d{8}T\d{6}Z\z} && is_ours($_) } entries($folder);
        print 'staging ', state_of($_), ' ', escaped($_), "\n" for @stagings;
    }
    print "end\n";
}

# A bind mount has the device of the folder around it; a subvolume is in no list of mounts.
sub mounts {
    my $path = shift;
    my $folder = Cwd::abs_path(folder_of($path)) // return;
    my $real = ($folder eq '/' ? '' : $folder) . substr $path, rindex $path, '/';
    open my $list, '<', '/proc/self/mountinfo' or fail("/proc/self/mountinfo: $!");
    my @points = map { unescaped((split / /)[4]) } <$list>;
    my @found = map { $path . substr $_, length $real } grep { $_ eq $real || index($_, "$real/") == 0 } @points;
    return @found if @found || !-e $path;
    return (lstat $path)[0] != (stat $folder)[0] ? $path : ();
}

sub changed {
    my @there = grep { identity($_) } @paths or return;
    exec 'find', @there, qw(-type f -newermt), "\@$stamp", qw(-printf x) or fail("find: $!");
}

# A swap has begun if a marked file no longer has its place among the unpacked files.
sub state_of {
    my $folder = shift;
    my %marked = marked($folder);
    return (grep { identity("$folder/tree$_") ne $marked{$_} } keys %marked) ? 'swapping' : 'left';
}

sub marked {
    open my $file, '<', "$_[0]/mark" or return;
    return map { /\A(\d+) (\S+)\n\z/ ? (unescaped($2) => $1) : fail("$_[0]/mark cannot be read") } <$file>;
}

sub make {
    umask 022;
    system('mkdir', '-p', '--', folder_of($staging)) and exit 1;
    umask 077;
    require_safe(folder_of($staging));
    mkdir $staging or fail("$staging: $!");
}

sub mark {
    require_ours();
    sysopen my $file, "$staging/mark.new", O_WRONLY | O_CREAT | O_TRUNC, 0600 or fail("$staging/mark: $!");
    for (grep { identity("$staging/tree$_") } @paths) {
        require_movable("$staging/tree$_");
        printf {$file} "%s %s\n", identity("$staging/tree$_"), escaped($_) or fail("$staging/mark: $!");
    }
    $file->flush && $file->sync or fail("$staging/mark: $!");
    close $file or fail("$staging/mark: $!");
    system('sync', '-f', '--', $staging) and exit 1;
    renamed("$staging/mark.new", "$staging/mark");
}

# Each name is exchanged in one system call where possible; where not, a kill leaves the name missing until the next run.
sub swap {
    require_ours();
    my %marked = marked($staging);
    %marked or fail("$staging has no mark");
    my %declared = map { $_ => folder_of($_) eq folder_of($staging) } @paths;
    $declared{$_} or fail("$_ is in $staging, but is not declared") for sort keys %marked;
    require_movable($_, "$staging/tree$_") for grep { identity("$staging/tree$_") } sort keys %marked;
    for my $path (sort keys %marked) {
        my ($fresh, $aside) = ("$staging/tree$path", "${path}_before_$stamp");
        put_in_place($fresh, $path, $aside) if identity($fresh) eq $marked{$path};
        renamed($fresh, $aside) if identity($fresh);    # the old one, after an exchange
        sync_folder(folder_of($path));
    }
    remove();
}

sub put_in_place {
    my ($fresh, $path, $aside) = @_;
    my $is_there = identity($path);
    return if $is_there && exchanged($fresh, $path);
    renamed($path, $aside) if $is_there;
    return if rename $fresh, $path;
    my $why = $!;
    rename $aside, $path if $is_there;
    fail("$fresh: $why");
}

# A folder that moves to another folder gets a new entry "..", and so must be writable.
sub is_fixed { return !-l $_[0] && -d $_[0] && !-w $_[0] }

sub require_movable {
    is_fixed($_) and fail("its user may not write in $_, and so not rename this folder") for @_;
}

# False only where the kernel or the file system has no such exchange.
sub exchanged {
    my ($one, $other) = @_;
    my ($machine) = $Config{archname} =~ /\A(\w+?)-/;
    my $number = $RENAMEAT2{$machine // ''} or return 0;
    return 1 if syscall($number, $AT_FDCWD, "$one", $AT_FDCWD, "$other", $EXCHANGE) == 0;
    $!{ENOSYS} || $!{EINVAL} or fail("$other: $!");
    return 0;
}

sub renamed {
    my ($from, $to) = @_;
    $to =~ /_before_/ && identity($to) and fail("$to already exists");
    rename $from, $to or fail("$from: $!");
}

sub sync_folder {
    open my $folder, '<', $_[0] or fail("$_[0]: $!");
    $folder->sync or fail("$_[0]: $!");
}

# A folder without the right to write stops rm. Without the mark, a later run removes the rest.
sub remove {
    my $only_paths = $verb eq 'remove' && @paths;
    require_ours(), unlink "$staging/mark" unless $only_paths;
    for my $each ($only_paths ? @paths : $staging) {
        require_safe(folder_of($each));
        my ($mount) = mounts($each);
        fail("$mount is a mount point: unmount it first") if defined $mount;
        system('chmod', '--recursive', 'u+rwX', '--', $each) if -d $each && !-l $each;
        system('rm', '-rf', '--one-file-system', '--', $each) and exit 1;
    }
}
