# Which processes run, how much memory and CPU time do they take, and do clients wait for them?
#
# First part of several programs: unit.pl or plain_process.pl is appended, and run on the host as `perl -e`.
# Pragmas of this file apply to the other part. Reads only files of /proc that every user may read. Needs only perl-base.
use strict;
use warnings;
use POSIX ();

my ($PATIENCE_S, $EVERY_S) = (6, 0.2);

sub fail { print STDERR "$_[0]\n"; exit 1 }

sub text_of {    # empty if unreadable, as of a process that has ended
    my ($path) = @_;
    open my $file, '<:raw', $path or return '';
    local $/;
    return <$file> // '';
}

sub pids {
    text_of('/proc/1/stat') ne '' or fail('/proc hides the processes of other users: mount option hidepid');
    return grep { $_ != $$ } map {m{(\d+)}} glob '/proc/[0-9]*';
}

sub stat_of {    # state, parent, terminal, CPU time and start in ticks; empty if the process has ended
    my ($pid) = @_;
    my @field = split ' ', text_of("/proc/$pid/stat") =~ s/\A.*\) //sr;
    return if @field <= 19;
    my %stat = (state => $field[0], parent => $field[1], terminal => $field[4], ticks => $field[11] + $field[12], start => $field[19]);
    return \%stat;
}

sub ticks {    # undefined if a process has ended
    my @stats = map { stat_of($_) } @_;
    return if @stats < @_;
    my $sum = 0;
    $sum += $_->{ticks} for @stats;
    return $sum;
}

sub is_elsewhere {    # whether a container has the process, which then has another PID there
    my ($pid) = @_;
    return text_of("/proc/$pid/status") =~ /^NSpid:\t\d+\t/m;
}

sub ancestors {
    my ($pid) = @_;
    my @found;
    while ($pid > 1 and my ($stat) = stat_of($pid)) {
        push @found, $pid = $stat->{parent};
    }
    return @found;
}

sub with_children {
    my %parent = map { my $pid = $_; map { ($pid => $_->{parent}) } stat_of($pid) } pids();
    my %found  = map { $_ => 1 } @_;
    for (;;) {
        my @more = grep { !$found{$_} && $found{ $parent{$_} } } keys %parent or last;
        @found{@more} = (1) x @more;
    }
    return sort { $a <=> $b } keys %found;
}

# Private memory adds up; shared memory, such as PostgreSQL's buffers, counts once.
sub memory {
    my ($private, $shared) = (0, 0);
    for my $pid (@_) {
        my %kb = text_of("/proc/$pid/status") =~ /^(Rss\w+):\s+(\d+) kB/mg;
        my $of_others = ($kb{RssFile} // 0) + ($kb{RssShmem} // 0);
        $private += $kb{RssAnon} // 0;
        $shared = $of_others if $of_others > $shared;
    }
    return 1024 * ($private + $shared);
}

# ---- clients that wait: the kernel completes their connections before the program accepts them

sub backlogs {    # by listening port, as seen from the network of a process
    my ($pid) = @_;
    my %waiting;
    for my $table (map {"/proc/$pid/net/$_"} qw(tcp tcp6)) {
        for (split /\n/, text_of($table)) {
            $waiting{ hex $1 } += hex $2 if /^\s*\d+: \w+:(\w{4}) \S+ 0A \w+:(\w+)/;
        }
    }
    return %waiting;
}

sub clock { return (POSIX::times())[0] / POSIX::sysconf(&POSIX::_SC_CLK_TCK) }

sub stalled {    # seconds for which clients waited while the CPU time of the processes stood still
    my ($ports, @members) = @_;
    my ($start, $before) = (clock(), ticks(@members) // return 0);
    for (;;) {
        my %waiting = backlogs($members[0]);
        my $passed  = clock() - $start;
        return 0       if !grep { $waiting{$_} } @$ports;
        return 0       if (ticks(@members) // -1) != $before;
        return $passed if $passed >= $PATIENCE_S;
        select undef, undef, undef, $EVERY_S;
    }
}

sub report_on {    # about the processes of a unit, or a plain process with its children
    my ($ports, @members) = @_;
    my @halted = grep { $_->{state} =~ /[Tt]/ } map { stat_of($_) } @members;
    my ($total) = text_of('/proc/meminfo') =~ /^MemTotal:\s+(\d+) kB/m or fail('/proc/meminfo is unreadable');
    my %listens = @members ? backlogs($members[0]) : ();
    my @closed  = grep { !exists $listens{$_} } @$ports;
    print "processes ", scalar @members, "\nhalted ", scalar @halted, "\nmemory ", memory(@members), "\n";
    print "total ", 1024 * $total, "\nclosed @closed\n";
    print "stalled ", (@$ports && @members ? stalled($ports, @members) : 0), "\nend\n";
}

