# Which processes fit a command line or a PID file, since when do they run, and what do they and their children take?
#
# Last part of a program: appended to process_tree.pl, with the arguments COMMAND PIDFILE USER PORT...
#   COMMAND  shell pattern of the whole command line, hexadecimal, so that no program of ours fits it; or empty
# Prints lines of a label and a value; the last line is "end":
#   found AGE    for each process without a parent that fits, seconds since its start
#   why TEXT     why the PID of the file is of no such process
#   processes, halted, memory, total, closed, stalled    as process_tree.pl reports
# Command lines may hold secrets, and are not printed.

my $TICKS_A_S = 100;    # of /proc, on every architecture

sub expression {    # of a shell pattern
    my ($pattern) = @_;
    my $text = join '', map { $_ eq '*' ? '.*' : $_ eq '?' ? '.' : quotemeta } split //, $pattern;
    return qr/\A$text\z/s;
}

sub fits {
    my ($pid, $pattern, $owner) = @_;
    return 0 if length $owner && ((stat "/proc/$pid")[4] // -1) != $owner;
    my $line = text_of("/proc/$pid/cmdline") =~ tr/\0/ /r =~ s/ +\z//r;
    return $line ne '' && $line =~ expression($pattern) && !is_elsewhere($pid);
}

sub is_alive { return grep { $_->{state} !~ /[ZX]/ } map { stat_of($_) } @_ }

sub of_file {    # the process, or nothing and the reason
    my ($path, $pattern, $owner) = @_;
    open my $file, '<', $path or return $! == POSIX::ENOENT() ? (why => "$path does not exist") : fail("$path: $!");
    fail("$path is a directory") if -d $file;
    my ($pid) = (<$file> // '') =~ /^\s*(\d{1,9})\s*$/ or return (why => "$path holds no PID");
    return (why => "no process has the PID of $path") if !is_alive($pid);
    return (why => "another process has the PID of $path") if !fits($pid, $pattern, $owner);
    return (pid => $pid);
}

sub main {
    my ($digits, $pidfile, $user, @ports) = @_;
    my $pattern = length $digits ? pack 'H*', $digits : '*';
    my $owner   = length $user ? getpwnam($user) // fail("no user is called $user") : '';
    my @roots;
    if (length $pidfile) {
        my %read = of_file($pidfile, $pattern, $owner);
        print "why $read{why}\n" if exists $read{why};
        @roots = $read{pid} // ();
    } else {
        my %ours = map { $_ => 1 } ancestors($$);
        my %fits = map { $_ => 1 } grep { !$ours{$_} && is_alive($_) && fits($_, $pattern, $owner) } pids();
        @roots = grep { !grep { $fits{$_} } ancestors($_) } keys %fits;
    }
    my ($uptime) = text_of('/proc/uptime') =~ /^([\d.]+)/ or fail('/proc/uptime is unreadable');
    print 'found ', $uptime - $_->{start} / $TICKS_A_S, "\n" for map { stat_of($_) } @roots;
    report_on(\@ports, with_children(@roots));
}

main(@ARGV);
