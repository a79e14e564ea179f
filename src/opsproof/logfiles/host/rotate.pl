# Rotates logs without losing a line: renames the current files, and makes the PM2 daemon open new ones.
#
# Last part of a program: joined behind json_text.pl, pm2_daemon.pl and writers.pl, and sent to the host as `perl -e`
# with the arguments PM2_HOME PATH...
#
# PM2 drops unwritten lines when it reopens its files. So all processes of PM2 are stopped until the daemon has written
# everything, and while it reopens: some milliseconds in all. If the daemon is still busy after PATIENCE, all processes
# continue, and the attempt is repeated with more patience. A guard process sends SIGCONT if this process is killed meanwhile. After a kill
# either nothing has changed, or the daemon still writes to a renamed file: the next run completes the rotation. No
# rotated file is ever overwritten.
#
# Prints one line of JSON: took_ms, the time for reopening the files.
# Exit: 0 done; 1 failed: no line is lost, and the next run completes it. Needs only perl-base.
use Fcntl qw(O_CREAT O_EXCL O_WRONLY);
use POSIX ();

my $PATIENCE = 0.5;     # seconds for the daemon to become idle, three times as long in the last attempt
my $OPENING  = 3;       # seconds for the idle daemon to open its files
my $LONGEST  = 5;       # seconds after which stopped processes continue in any case
my $TRIES    = 20;
my $PAUSE    = 0.002;

sub nap { select undef, undef, undef, shift }

sub seconds { return (POSIX::times())[0] / POSIX::sysconf(&POSIX::_SC_CLK_TCK) }

# ---- names

sub make_room {    # creates an empty file per log: a full disk fails before any rename
    my @paths = @_;
    for my $path (@paths) {
        my @old = stat $path or fail("$path: $!");
        unlink "$path.new";
        my $made = sysopen my $file, "$path.new", O_WRONLY | O_CREAT | O_EXCL, 0600;
        next if $made && chmod($old[2] & 07777, "$path.new") && ($> || chown @old[4, 5], "$path.new");
        my $why = $!;
        unlink map { "$_.new" } @paths;
        fail("$path.new: $why");
    }
}

sub free_names {    # unused names of rotated files, with the time in seconds
    my @paths = @_;
    while (1) {
        my $date = POSIX::strftime('__%Y-%m-%d_%H-%M-%S.log', localtime);
        my %name = map { $_ => join('', split_path($_)) . $date } @paths;
        return %name if !grep { -e || -e "$_.gz" } values %name;
        nap(0.05);
    }
}

sub rename_all {
    my @paths = @_;
    make_room(@paths);
    my %name = free_names(@paths);
    for my $path (@paths) {
        rename $path,       $name{$path} or fail("$path: $!");
        rename "$path.new", $path        or fail("$path: $!");
    }
}

# ---- halting

sub state_letter {
    my ($task) = @_;
    open my $file, '<', "$task/stat" or return 'X';
    return (readline($file) // '') =~ /\) (\w) (\d+)/ ? ($1, $2) : 'X';
}

sub children_of {    # except those already stopped by others
    my ($daemon) = @_;
    opendir my $list, '/proc' or fail("/proc: $!");
    return grep { my ($state, $parent) = state_letter("/proc/$_"); $state !~ /[TtZX]/ && $parent == $daemon }
        grep { /^\d+\z/ } readdir $list;
}

sub signal {    # to process groups, as PM2 starts each process as a group leader
    my ($name, @pids) = @_;
    kill $name, map { (getpgrp($_) // 0) == $_ ? -$_ : $_ } @pids;
}

sub guard {    # sends SIGCONT when the pipe closes, or after LONGEST
    my ($end, @pids) = @_;
    POSIX::setsid();
    $SIG{$_} = 'IGNORE' for qw(HUP INT TERM PIPE);
    syswrite STDOUT, '.';
    open STDOUT, '>', '/dev/null';
    open STDERR, '>', '/dev/null';
    vec(my $ready = '', fileno $end, 1) = 1;
    select $ready, undef, undef, $LONGEST;
    signal(CONT => @pids);
    POSIX::_exit(0);
}

sub halted {    # runs $work while the processes are stopped; returns its result
    my ($work, @pids) = @_;
    pipe my $end, my $hold or fail("pipe: $!");
    my $guard = open(my $said, '-|') // fail("fork: $!");
    if (!$guard) {
        close $hold;
        guard($end, @pids);
    }
    sysread $said, my $dot, 1 or fail('the guard process of stopped processes ended');
    signal(STOP => @pids);
    my $result = $work->();
    signal(CONT => @pids);
    close $hold;
    close $said;
    return $result;
}

# ---- the daemon

sub is_idle {    # whether every thread of the daemon sleeps
    my ($daemon) = @_;
    opendir my $list, "/proc/$daemon/task" or return 0;
    return !grep { (state_letter("/proc/$daemon/task/$_"))[0] !~ /[SI]/ } grep { /^\d/ } readdir $list;
}

sub sizes { return join ' ', map { "$_ " . ((stat $_)[7] // '') } sort values %{ { written_by($_[0]) } } }

# Whether the daemon has passed its event loop without writing. Without a free processor, an answer arrives long before
# the daemon sleeps again: another question at once would find it busy for ever.
sub is_drained {
    my ($daemon, $deadline) = @_;
    call('getVersion') // fail('the PM2 daemon ended');
    before($deadline, sub { is_idle($daemon) }) or return 0;
    my $sizes = sizes($daemon);
    call('getVersion') // fail('the PM2 daemon ended');
    return before($deadline, sub { is_idle($daemon) }) && $sizes eq sizes($daemon);
}

sub before {
    my ($deadline, $holds) = @_;
    until ($holds->()) {
        return 0 if seconds() > $deadline;
        nap($PAUSE);
    }
    return 1;
}

sub destinations {    # files that the daemon must write to after reopening, by those of now
    my ($daemon) = @_;
    my %path = written_by($daemon);
    s/ \(deleted\)\z//, s/$DATED\z/.log/ for values %path;
    return %path;
}

sub is_reopened {
    my ($daemon, %wanted) = @_;
    my %now = map { $_ => 1 } values %{ { written_by($daemon) } };
    return !grep { !$now{$_} } values %wanted;
}

sub reopen {    # returns whether the daemon reopened; 0 if it did not become idle
    my ($daemon, $patience) = @_;
    my %wanted = destinations($daemon);
    my @pids   = children_of($daemon);
    my $work   = sub {
        my $deadline = seconds() + $patience;
        before($deadline, sub { !grep { (state_letter("/proc/$_"))[0] !~ /[TtZX]/ } @pids }) or return 0;
        before($deadline, sub { is_drained($daemon, $deadline) })                            or return 0;
        return 0 if seconds() > $deadline;    # the processes may not continue before the files are open
        call('reloadLogs') // fail('the PM2 daemon ended');
        return before(seconds() + $OPENING, sub { is_reopened($daemon, %wanted) });
    };
    return halted($work, @pids);
}

# ---- the logs

sub is_written_by_others {
    my ($daemon, @paths) = @_;
    my %ours = map { $_ => 1 } grep { defined } map { identity($_) } map { ($_, beside($_, $DATED)) } @paths;
    return grep { my %path = written_by($_); grep { $ours{$_} } keys %path } children_of($daemon);
}

sub restore {    # completes the rename of a current file after an interrupted run
    my ($path) = @_;
    rename "$path.new", $path or fail("$path: $!") if !-e $path && -e "$path.new";
}

sub main {
    my ($home, @paths) = @_;
    my $folder = POSIX::getcwd();
    my @logs   = map { m{^/} ? $_ : "$folder/$_" } @paths;
    my $daemon = daemon_of($home) // fail('no PM2 daemon runs');
    for my $path (@logs) { fail("$path is no file") if -l $path || -e _ && !-f _ }
    chdir $home or fail("$home: $!");
    $SIG{PIPE} = 'IGNORE';
    my ($other) = is_written_by_others($daemon, @logs);
    fail("process $other writes to these files, but is not the PM2 daemon") if $other;
    restore($_) for @logs;
    rename_all(grep { -s } @logs);
    my $began = seconds();
    for my $try (1 .. $TRIES) {
        my $patience = $PATIENCE * (1 + 2 * $try / $TRIES);
        return print object(took_ms => int 1000 * (seconds() - $began)), "\n" if reopen($daemon, $patience);
        nap(0.2);
    }
    fail('PM2 did not open new log files; it still writes to the rotated files, and no line is lost');
}

main(@ARGV);
