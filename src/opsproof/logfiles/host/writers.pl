# Which process has which file open for writing, and which files belong to a log?
#
# Part of other programs: joined behind json_text.pl and rotated_names.pl, whose pragmas apply here too. Reads /proc:
# sees the processes of the current user, as root all. Needs only perl-base.
use Errno;

my $DATED = qr/__\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d\.log/;    # as PM2's modules and rotate.pl name files

sub identity {    # device and inode of a file; empty if missing
    my @found = stat $_[0] or return;
    return "$found[0]:$found[1]";
}

sub can_write {
    my ($pid, $number) = @_;
    open my $info, '<', "/proc/$pid/fdinfo/$number" or return 0;
    my ($flags) = join('', <$info>) =~ /^flags:\s*([0-7]+)/m or return 0;
    return oct($flags) & 3;
}

sub written_by {    # paths of files that a process has open for writing, by identity
    my ($pid) = @_;
    opendir my $list, "/proc/$pid/fd" or return;
    my %path;
    for my $number (grep { /^\d/ } readdir $list) {
        my $link = "/proc/$pid/fd/$number";
        my $file = identity($link) // next;
        $path{$file} = readlink $link if -f _ && can_write($pid, $number);
    }
    return %path;
}

sub daemon_of {    # process ID of the PM2 daemon; empty if not running
    my ($home) = @_;
    open my $file, '<', "$home/pm2.pid" or return;
    my ($pid) = (readline($file) // '') =~ /^(\d+)/ or return;
    open my $line, '<', "/proc/$pid/cmdline" or return;
    return (readline($line) // '') =~ /God Daemon|Daemon\.js/ ? $pid : undef;
}

sub split_path {    # folder with a slash, and name without .log
    my ($path) = @_;
    my ($folder, $name) = $path =~ m{^(.*/)?([^/]*?)(?:\.log)?$}s;
    return ($folder // './', $name);
}

sub beside {    # files in the log's folder whose name continues with $rest
    my ($path, $rest) = @_;
    my ($folder, $name) = split_path($path);
    opendir my $list, $folder or fail("$folder: $!");
    return map { $folder . $_ } sort grep { /^\Q$name\E$rest\z/ } readdir $list;
}

sub rotated_beside {    # rotated files in the log's folder, and whether surely the log's
    my ($path) = @_;
    my ($folder) = split_path($path);
    opendir my $list, $folder or fail("$folder: $!");
    return map { [$folder . $_->[0], $_->[2]] } rotated_among($path, readdir $list);
}

sub writers_of {    # process IDs with the file open for writing
    my ($path) = @_;
    my $wanted = identity($path) // return;
    opendir my $list, '/proc' or fail("/proc: $!");
    return grep { my %path = written_by($_); exists $path{$wanted} } grep { /^\d+\z/ && $_ != $$ } readdir $list;
}
