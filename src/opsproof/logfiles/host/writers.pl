# Which process has which file open, after /proc; and the rotated files of a log by their names.
#
# A part of programs: it is joined behind json_text.pl, whose pragmas hold for it too. It sees the
# processes of the user that runs it, as root those of all. Needs only perl-base.
use Errno;

my $DATED = qr/__\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d\.log/;

sub identity {    # of a file, whatever it is called; nothing where there is none
    my @found = stat $_[0] or return;
    return "$found[0]:$found[1]";
}

sub can_write {
    my ($pid, $number) = @_;
    open my $info, '<', "/proc/$pid/fdinfo/$number" or return 0;
    my ($flags) = join('', <$info>) =~ /^flags:\s*([0-7]+)/m or return 0;
    return oct($flags) & 3;
}

sub written_by {    # of a process: the paths of files that it may write to, by their identity
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

sub daemon_of {    # the process of the PM2 daemon; nothing where none runs
    my ($home) = @_;
    open my $file, '<', "$home/pm2.pid" or return;
    my ($pid) = (readline($file) // '') =~ /^(\d+)/ or return;
    open my $line, '<', "/proc/$pid/cmdline" or return;
    return (readline($line) // '') =~ /God Daemon|Daemon\.js/ ? $pid : undef;
}

sub split_path {    # of a log: its folder with a slash, and its name without .log
    my ($path) = @_;
    my ($folder, $name) = $path =~ m{^(.*/)?([^/]*?)(?:\.log)?$}s;
    return ($folder // './', $name);
}

sub beside {    # what belongs to a log in its folder, by an expression for the rest of its name
    my ($path, $rest) = @_;
    my ($folder, $name) = split_path($path);
    opendir my $list, $folder or fail("$folder: $!");
    return map { $folder . $_ } sort grep { /^\Q$name\E$rest\z/ } readdir $list;
}

sub writers_of {    # every process that may write to a file
    my ($path) = @_;
    my $wanted = identity($path) // return;
    opendir my $list, '/proc' or fail("/proc: $!");
    return grep { my %path = written_by($_); exists $path{$wanted} } grep { /^\d+\z/ && $_ != $$ } readdir $list;
}
