# Rotates logs without losing a line: renames the current files, and has the PM2 daemon open new ones.
#
# The last part of one program: it is joined behind json_text.pl, pm2_daemon.pl and writers.pl, and all are
# sent to a host as `perl -e` with the arguments PM2_HOME PATH...
#
# When PM2 reopens its files it forgets what it has not written yet. So all that it runs is halted before, until
# the daemon has written everything, and again while it opens its files: some milliseconds in all. Where it does
# not come to rest within PATIENCE, all go on, and it is tried again. A process of its own lets them go on,
# should this one be killed meanwhile. A kill leaves a current file that the daemon still writes to under its
# rotated name, or none of that; the next run goes on from there. What is renamed is never overwritten.
#
# Prints one line of JSON: took_ms, of opening the files anew.
# Exit: 0 done; 1 not, what PM2 writes to is whole, and the next run finishes it. Needs only perl-base.
use Fcntl qw(O_CREAT O_EXCL O_WRONLY);
use POSIX ();

my $PATIENCE = 0.5;     # seconds for the daemon to come to rest
my $OPENING  = 3;       # seconds to open its files, when it is at rest
my $LONGEST  = 5;       # seconds after which halted processes go on in any case
my $TRIES    = 20;
my $PAUSE    = 0.002;

sub nap { select undef, undef, undef, shift }

sub seconds { return (POSIX::times())[0] / POSIX::sysconf(&POSIX::_SC_CLK_TCK) }

# ---- names

sub make_room {    # an empty file for each log, so that a full disk says no before anything is renamed
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

sub free_names {    # by the second, at which nothing is called so yet
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

sub children_of {    # that are not halted already, by somebody else
    my ($daemon) = @_;
    opendir my $list, '/proc' or fail("/proc: $!");
    return grep { my ($state, $parent) = state_letter("/proc/$_"); $state !~ /[TtZX]/ && $parent == $daemon }
        grep { /^\d+\z/ } readdir $list;
}

sub signal {    # PM2 starts each process as the leader of a group
    my ($name, @pids) = @_;
    kill $name, map { (getpgrp($_) // 0) == $_ ? -$_ : $_ } @pids;
}

sub guard {    # goes on with what is halted as soon as nobody holds the pipe, or after the longest time
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

sub halted {    # the work's result, all the processes being halted meanwhile
    my ($work, @pids) = @_;
    pipe my $end, my $hold or fail("pipe: $!");
    my $guard = open(my $said, '-|') // fail("fork: $!");
    if (!$guard) {
        close $hold;
        guard($end, @pids);
    }
    sysread $said, my $dot, 1 or fail('the guard of halted processes ended');
    signal(STOP => @pids);
    my $result = $work->();
    signal(CONT => @pids);
    close $hold;
    close $said;
    return $result;
}

# ---- the daemon

sub is_idle {    # every thread of it waits
    my ($daemon) = @_;
    opendir my $list, "/proc/$daemon/task" or return 0;
    return !grep { (state_letter("/proc/$daemon/task/$_"))[0] !~ /[SI]/ } grep { /^\d/ } readdir $list;
}

sub sizes { return join ' ', map { "$_ " . ((stat $_)[7] // '') } sort values %{ { written_by($_[0]) } } }

sub is_drained {    # it has been round its loop, and written nothing since the last time
    my ($daemon) = @_;
    call('getVersion') // fail('the PM2 daemon is gone');
    my $before = sizes($daemon);
    return 0 if !is_idle($daemon);
    call('getVersion') // fail('the PM2 daemon is gone');
    return is_idle($daemon) && $before eq sizes($daemon);
}

sub within {
    my ($limit, $holds) = @_;
    my $deadline = seconds() + $limit;
    until ($holds->()) {
        return 0 if seconds() > $deadline;
        nap($PAUSE);
    }
    return 1;
}

sub destinations {    # what the daemon must write to when it has opened everything anew, by what it writes to now
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

sub reopen {    # whether it was done; not where the daemon has not come to rest
    my ($daemon) = @_;
    my %wanted = destinations($daemon);
    my @pids   = children_of($daemon);
    my $work   = sub {
        within($PATIENCE, sub { !grep { (state_letter("/proc/$_"))[0] !~ /[TtZX]/ } @pids }) or return 0;
        within($PATIENCE, sub { is_drained($daemon) })                                       or return 0;
        call('reloadLogs') // fail('the PM2 daemon is gone');
        return within($OPENING, sub { is_reopened($daemon, %wanted) });
    };
    return halted($work, @pids);
}

# ---- the logs

sub is_written_by_others {
    my ($daemon, @paths) = @_;
    my %ours = map { $_ => 1 } grep { defined } map { identity($_) } map { ($_, beside($_, $DATED)) } @paths;
    return grep { my %path = written_by($_); grep { $ours{$_} } keys %path } children_of($daemon);
}

sub restore {    # a current file that an interrupted run had no time to put in its place
    my ($path) = @_;
    rename "$path.new", $path or fail("$path: $!") if !-e $path && -e "$path.new";
}

sub main {
    my ($home, @paths) = @_;
    my $folder = POSIX::getcwd();
    my @logs   = map { m{^/} ? $_ : "$folder/$_" } @paths;
    my $daemon = daemon_of($home) // fail('no PM2 daemon runs');
    chdir $home or fail("$home: $!");
    $SIG{PIPE} = 'IGNORE';
    my ($other) = is_written_by_others($daemon, @logs);
    fail("process $other writes to these files, and is not the PM2 daemon") if $other;
    restore($_) for @logs;
    rename_all(grep { -s } @logs);
    my $began = seconds();
    for (1 .. $TRIES) {
        return print object(took_ms => int 1000 * (seconds() - $began)), "\n" if reopen($daemon);
        nap(0.2);
    }
    fail('PM2 has not opened new log files; it writes to the rotated ones, and no line is lost');
}

main(@ARGV);
