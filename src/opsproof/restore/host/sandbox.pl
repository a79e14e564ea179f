# Runs a throwaway PostgreSQL cluster in private namespaces, as a user who owns nothing but a folder for drills.
#
# Sent to the host as `perl -e`, with a verb and arguments; DIR is a folder of one drill, opsproof_drill_TIME:
#   look FOLDER PROGRAMS                prints the state, see below
#   begin DIR PROGRAMS FLOOR MEMORY SECONDS
#                                       makes DIR and the namespaces. They end after SECONDS, when the disk has fewer than
#                                       FLOOR bytes free, when memory runs short, or when no action holds the lock of
#                                       the host any more; DIR is then removed. MEMORY limits each process, in bytes
#   run DIR PROGRAMS MEMORY WORDS...    runs a command there
#   settle DIR                          ends all processes there
#   remove DIR                          ends all processes there, and removes DIR
# The namespaces have no network, no processes and no mounts of the host. They see /usr, PROGRAMS without a leading
# folder /usr, and two folders of DIR as /cluster and /tmp. Programs there gain no rights, and start no namespaces.
# `look` prints these lines:
#   account UID GROUPS                  the user, and the number of further groups
#   version TEXT                        of PROGRAMS/postgres, or the reason why it does not run
#   missing NAMES                       of programs that PROGRAMS lacks
#   folder UID MODE FREE TOTAL          of FOLDER: owner, mode, bytes
#   isolated REASON                     empty if namespaces can be made, else why not
#   left PATH                           each folder of an earlier drill
#   end
# Needs perl-base, coreutils and Linux 5.8 on x86_64 or aarch64.
use strict;
use warnings;
use Config;
use Errno;
use POSIX ();

my $MARK = 'opsproof.mark';
my $NAME = qr/opsproof_drill_\d{8}T\d{6}Z/;
my $INIT = 'perl -e while(1){sleep(1)if(wait<0)}';
my @PROGRAMS = qw(postgres initdb pg_ctl psql pg_restore pg_dump);
my ($LATEST_LOCK_S, $LEAST_MEMORY) = (5, 0.05);
my %NUMBERS = (    # of system calls
    x86_64  => { unshare => 272, setns => 308, mount => 165, umount2 => 166, pivot_root => 155, prctl => 157, prlimit64 => 302, statfs => 137 },
    aarch64 => { unshare => 97, setns => 268, mount => 40, umount2 => 39, pivot_root => 41, prctl => 167, prlimit64 => 261, statfs => 43 },
);
my %NEW = (user => 0x10000000, mnt => 0x20000, pid => 0x20000000, net => 0x40000000, ipc => 0x8000000, uts => 0x4000000);
my @SPACES = qw(user mnt pid net ipc uts);    # the user namespace comes first: it gives the right to the others
my ($RDONLY, $NOSUID, $NODEV, $NOEXEC, $REMOUNT, $BIND, $REC, $PRIVATE) = (1, 2, 4, 8, 32, 4096, 16384, 1 << 18);
my ($DETACH, $DEATH_SIGNAL, $NO_NEW_PRIVILEGES, $KILL) = (2, 1, 38, 9);
my %LIMIT = (FSIZE => 1, CORE => 4, NPROC => 6, NOFILE => 7, AS => 9);

umask 077;
my ($uid, $gid) = ($>, $) + 0);
my $call = $NUMBERS{ (split /-/, $Config{archname})[0] } or fail("no system calls are known for $Config{archname}");
my %verbs = (look => \&look, begin => \&begin, run => \&run, settle => \&settle, remove => \&remove);
my $verb = shift @ARGV;
$verbs{$verb}->(@ARGV);

sub fail {
    print STDERR "$_[0]\n";
    exit 1;
}

# A system call. Perl passes strings by address, and numbers as they are.
sub system_call {
    my ($name, @arguments) = @_;
    syscall($call->{$name}, @arguments) >= 0 or die "$name: $!\n";
}

sub mounted {
    my ($source, $target, $type, $flags, $data) = @_;
    eval { system_call('mount', "$source", "$target", "$type", $flags + 0, "$data"); 1 } or die "$target: $@";
}

sub bound {
    my ($source, $target, $flags) = @_;
    mounted($source, $target, '', $BIND | $REC, '');
    mounted('', $target, '', $REMOUNT | $BIND | $flags, '') if $flags;
}

sub content_of {
    open my $file, '<', shift or return '';
    local $/;
    return <$file> // '';
}

sub written {
    my ($path, $text) = @_;
    open my $file, '>', $path or die "$path: $!\n";
    defined syswrite $file, $text or die "$path: $!\n";
    close $file or die "$path: $!\n";
}

sub made {
    my $path = shift;
    my $so_far = '';
    for (split m{/}, $path) { mkdir $so_far .= "$_/", 0755 }
    -d $path or die "$path: $!\n";
    return $path;
}

# Free bytes, all bytes and free files of a file system, as any user may use them: statfs(2).
sub room_at {
    my ($path, $buffer) = (shift, "\0" x 256);
    syscall($call->{statfs}, $path, $buffer) == 0 or fail("$path: $!");
    my (undef, $block, $blocks, undef, $available, $files, $free_files) = unpack 'q7', $buffer;
    return ($available * $block, $blocks * $block, $files ? $free_files / $files : 1);
}

sub same_file {
    my ($one, $other) = map { join ' ', (stat)[0, 1] } @_;
    return length $one && $one eq $other;
}

# Processes of a drill: the keeper, by its working directory; and all in the namespaces, by their /cluster.
sub keepers { my $dir = shift; return grep { same_file("/proc/$_/cwd", $dir) } mine() }
sub inside { my $dir = shift; return grep { same_file("/proc/$_/root/cluster", "$dir/cluster") } mine() }
sub mine { return grep { ((stat "/proc/$_")[4] // -1) == $uid } map { m{(\d+)\z} } glob '/proc/[0-9]*' }

# The first process in the namespaces. The number is written outside of them, and so is no word of the loaded code.
sub init_of {
    my $dir = shift;
    my ($pid) = content_of("$dir/init") =~ /\A(\d+)\n\z/ or return;
    return same_file("/proc/$pid/root/cluster", "$dir/cluster") ? $pid : undef;
}

sub look {
    my ($folder, $programs) = @_;
    my %groups = map { $_ => 1 } split ' ', $);
    delete $groups{$gid};
    printf "account %d %d\n", $uid, scalar keys %groups;
    printf "version %s\n", version_of("$programs/postgres");
    printf "missing %s\n", join ' ', grep { !-x "$programs/$_" } @PROGRAMS;
    my ($mode, $owner) = (stat $folder)[2, 4];
    fail("$folder: $!") if !defined $mode;
    printf "folder %d %o %d %d\n", $owner, $mode & 07777, (room_at($folder))[0, 1];
    printf "isolated %s\n", isolation_failure();
    print map { "left $_\n" } grep { is_drill($_) } glob "$folder/opsproof_drill_*";
    print "end\n";
}

sub version_of {
    my $program = shift;
    my $pid = open(my $from, '-|') // return "$!";
    if (!$pid) {
        open STDERR, '>', '/dev/null';
        no warnings 'exec';
        exec { $program } $program, '--version';
        print "$program: $!\n";
        POSIX::_exit(127);
    }
    my $line = <$from> // "$program prints nothing";
    return $line =~ s/\s+\z//r;
}

# A folder that an earlier run has made: with the mark, or still empty. A link is none.
sub is_drill {
    my $dir = shift;
    return unless $dir =~ m{/$NAME\z} && !-l $dir && -d _ && (lstat _)[4] == $uid;
    return 1 if -f "$dir/$MARK";
    opendir my $folder, $dir or return;
    return !grep { !/\A\.\.?\z/ } readdir $folder;
}

sub isolation_failure {
    pipe my $from, my $to or return "$!";
    my $pid = fork // return "$!";
    if (!$pid) {
        eval { apart(); 1 } or do { syswrite $to, $@; POSIX::_exit(0) };
        my $init = fork // POSIX::_exit(0);
        POSIX::_exit(waitpid $init, 0) if $init;
        eval { mounted('', '/', '', $REC | $PRIVATE, ''); mounted('proc', '/proc', 'proc', 0, ''); 1 } or syswrite $to, $@;
        POSIX::_exit(0);
    }
    close $to;
    my $reason = <$from> // '';
    waitpid $pid, 0;
    chomp $reason;
    return $reason;
}

# New namespaces, in which the user keeps the number: the kernel then takes all capabilities away at the next exec.
sub apart {
    my $flags = 0;
    $flags |= $_ for values %NEW;
    system_call('unshare', $flags);
    written('/proc/self/setgroups', 'deny');
    written('/proc/self/uid_map', "$uid $uid 1\n");
    written('/proc/self/gid_map', "$gid $gid 1\n");
    eval { written('/proc/sys/user/max_user_namespaces', '0') };
}

sub begin {
    my ($dir, $programs, $floor, $memory, $seconds) = @_;
    $dir =~ m{/$NAME\z} or fail("$dir is no folder of a drill");
    mkdir $dir, 0700 or fail("$dir: $!");
    eval { written("$dir/$MARK", ''); 1 } or fail($@);
    mkdir "$dir/$_", 0700 or fail("$dir/$_: $!") for qw(cluster tmp root);
    pipe my $from, my $ready or fail("pipe: $!");
    my $pid = fork // fail("fork: $!");
    if (!$pid) {
        close $from;
        POSIX::setsid();
        POSIX::_exit(0) if fork;
        keep($dir, $ready, $floor, $seconds, $programs, $memory);
    }
    close $ready;
    waitpid $pid, 0;
    my $reason = <$from> // '';
    fail($reason) if length $reason || !init_of($dir);
}

# Outside of the namespaces, so that no program inside can end or stop it.
sub keep {
    my ($dir, $ready, $floor, $seconds, @furniture) = @_;
    chdir $dir or POSIX::_exit(1);
    open STDIN,  '<', '/dev/null';
    open STDOUT, '>', '/dev/null';
    open STDERR, '>&', \*STDOUT;
    my $kept = fileno $ready;
    POSIX::close($_) for grep { $_ != $kept } 3 .. 255;
    my $keeper = $$;
    my $child = fork // POSIX::_exit(1);
    if (!$child) { eval { divide($dir, $ready, $keeper, @furniture) }; syswrite $ready, $@; POSIX::_exit(1) }
    close $ready;
    my ($begun, $locked) = (time) x 2;
    while (!waitpid $child, 1) {
        $locked = time if content_of('/proc/net/unix') =~ /\@opsproof-(?:hold|step)\b/;
        last if time - $begun > $seconds || time - $locked > $LATEST_LOCK_S || is_short($dir, $floor);
        select undef, undef, undef, 0.1;
    }
    kill KILL => $child;
    waitpid $child, 0;
    emptied($dir);
    POSIX::_exit(0);
}

sub is_short {
    my ($dir, $floor) = @_;
    my ($free, undef, $files) = room_at($dir);
    my ($all, $available) = map { content_of('/proc/meminfo') =~ /^$_:\s+(\d+)/m } qw(MemTotal MemAvailable);
    return $free < $floor || $files < 0.01 || $available < $LEAST_MEMORY * $all;
}

# The parent of the first process in the namespaces: when it dies, the kernel ends them all.
sub divide {
    my ($dir, $ready, $keeper, $programs, $memory) = @_;
    apart();
    system_call('prctl', $DEATH_SIGNAL, $KILL, 0, 0, 0);
    POSIX::_exit(1) if getppid != $keeper;
    pipe my $told, my $number or die "pipe: $!\n";
    my $init = fork // die "fork: $!\n";
    if (!$init) {
        close $number;
        sysread $told, my $word, 1;    # both lose sight of the host's folders together
        eval { furnish($dir, $programs); become($programs, $memory, split / /, $INIT) };
        syswrite $ready, $@;
        POSIX::_exit(1);
    }
    written("$dir/init", "$init\n");
    close $_ for $number, $ready;
    waitpid $init, 0;
    POSIX::_exit(0);
}

sub furnish {
    my ($dir, $programs) = @_;
    my $root = "$dir/root";
    my $bare = $NOSUID | $NODEV | $NOEXEC;
    mounted('', '/', '', $REC | $PRIVATE, '');
    mounted('tmpfs', $root, 'tmpfs', $NOSUID | $NODEV, 'size=1m,mode=755');
    for my $name (qw(usr bin sbin lib lib32 lib64)) {
        if    (-l "/$name") { symlink readlink("/$name"), "$root/$name" or die "$root/$name: $!\n" }
        elsif (-d _)        { bound("/$name", made("$root/$name"), $RDONLY | $NOSUID | $NODEV) }
    }
    made("$root/$_") for qw(etc dev/shm proc cluster tmp);
    bound("$dir/$_", "$root/$_", $bare) for qw(cluster tmp);
    bound($_, made("$root$_"), $RDONLY | $NOSUID | $NODEV) for folders_of($programs);
    written("$root/etc/passwd", "drill:x:$uid:${gid}::/tmp:/bin/sh\n");
    for my $file (grep { -e } qw(/etc/ld.so.cache /dev/null /dev/zero /dev/full /dev/random /dev/urandom)) {
        written("$root$file", '');
        bound($file, "$root$file", 0);
    }
    symlink '/proc/self/fd', "$root/dev/fd";
    symlink "/proc/self/fd/$_->[0]", "$root/dev/$_->[1]" for [0, 'stdin'], [1, 'stdout'], [2, 'stderr'];
    mounted('tmpfs', "$root/dev/shm", 'tmpfs', $bare, 'size=256m,mode=1777');
    mounted('proc', "$root/proc", 'proc', $bare, '');
    chdir $root or die "$root: $!\n";
    system_call('pivot_root', '.', '.');
    system_call('umount2', '.', $DETACH);
    chdir '/' or die "/: $!\n";
    mounted('', '/', '', $REMOUNT | $BIND | $RDONLY | $NOSUID | $NODEV, '');
}

# The folders of programs and their libraries, outside of /usr: a server may come from an archive of its own.
sub folders_of {
    my $programs = shift;
    my @folders = ($programs =~ s{/[^/]+\z}{}r, map { m{ => (/\S+)/[^/]+ \(} } output_of('ldd', map { "$programs/$_" } qw(postgres psql)));
    my %outside = map { $_ => 1 } grep { !m{\A/(?:usr|lib|lib64)(?:/|\n)} } output_of(qw(readlink -e --), @folders);
    chomp(my @found = sort keys %outside);
    my @needed;
    for my $folder (@found) { push @needed, $folder if !grep { index($folder, "$_/") == 0 } @needed }
    return @needed;
}

sub output_of {
    open my $from, '-|', @_ or die "$_[0]: $!\n";
    my @lines = <$from>;
    close $from or die "$_[0] $_[1] failed\n";
    return @lines;
}

# Becomes a program without rights, with limits, that dies with its parent and first where memory runs short.
sub become {
    my ($programs, $memory, @words) = @_;
    my %bound = (CORE => 0, NPROC => 200, NOFILE => 4096, AS => $memory);
    eval { written('/proc/self/oom_score_adj', '1000') };
    system_call('prlimit64', 0, $LIMIT{$_}, pack('QQ', ($bound{$_}) x 2), 0) for sort keys %bound;
    system_call('prctl', $DEATH_SIGNAL, $KILL, 0, 0, 0);
    system_call('prctl', $NO_NEW_PRIVILEGES, 1, 0, 0, 0);
    %ENV = (PATH => "$programs:/usr/bin:/bin", LC_ALL => 'C', HOME => '/tmp', TZ => 'UTC');
    no warnings 'exec';
    exec { $words[0] } @words;
    my $status = $!{ENOENT} ? 127 : 126;
    print STDERR "$words[0]: $!\n";
    POSIX::_exit($status);
}

sub run {
    my ($dir, $programs, $memory, @words) = @_;
    my $init = init_of($dir) // fail("no cluster runs in $dir: it ended for lack of disk, memory or time");
    my @spaces = map { open my $file, '<', "/proc/$init/ns/$_" or fail("/proc/$init/ns/$_: $!"); $file } @SPACES;
    eval { system_call('setns', fileno $_, 0) for @spaces; 1 } or fail($@);
    close $_ for @spaces;
    my $pid = fork // fail("fork: $!");
    if (!$pid) {
        eval { become($programs, $memory, @words) };
        fail($@);
    }
    waitpid $pid, 0;
    exit($? & 127 ? 128 + ($? & 127) : $? >> 8);
}

sub ended {
    my $find = shift;
    my $deadline = time + 20;
    while (my @left = $find->()) {
        kill KILL => @left;
        fail("processes do not end: @left") if time > $deadline;
        select undef, undef, undef, 0.02;
    }
}

sub settle {
    my $dir = shift;
    my $init = init_of($dir) // fail("no cluster runs in $dir: it ended for lack of disk, memory or time");
    my $space = readlink "/proc/$init/ns/pid";
    ended(sub { grep { $_ != $init && (readlink "/proc/$_/ns/pid" // '') eq $space } inside($dir) });
}

# Loaded code may have taken away the rights to its own folders. Neither program follows links.
sub emptied {
    my $dir = shift;
    open STDERR, '>', '/dev/null';
    system qw(chmod -R u+rwX --), map { "$dir/$_" } qw(cluster tmp);
    system qw(rm -rf --), map { "$dir/$_" } qw(cluster tmp root init);
    unlink "$dir/$MARK";
    rmdir $dir;
}

sub remove {
    my $dir = shift;
    is_drill($dir) or !-e $dir and exit or fail("$dir is no folder of a drill");
    ended(sub { keepers($dir) });
    ended(sub { inside($dir) });
    open my $errors, '>&', \*STDERR;
    emptied($dir);
    open STDERR, '>&', $errors;
    fail("$dir cannot be removed") if -e $dir;
}
