# Which processes run without a PM2 daemon, a container, or a systemd unit of their own?
#
# Last part of a program: appended to process_tree.pl, without arguments. They were started by cron, at, rc.local or in a
# session. Prints lines of a label and values; texts are hexadecimal. The last line is "end".
#   plain PATTERN USER STARTER PIDFILE PORT...    a process, the unit of systemd that started it, its listening ports
# PATTERN is a shell pattern with the program, and the script of an interpreter; further words may be secrets, and become
# "*". Only processes with a PID file, with a listening port visible to the login, or an hour old. Nothing on a host
# without systemd. Needs no rights.

my ($LONG_S, $TICKS_A_S) = (3600, 100);
my $STARTER     = qr{/((?:cron|crond|anacron|atd|rc-local|sshd?|sshd?\@[^/]+|session-[^/]+)\.(?:service|scope))\z};
my $INTERPRETER = qr/\A(?:python|perl|ruby|node|nodejs|php|java|bun|deno|bash|dash|sh)[\d.]*\z/;
my $OF_SESSIONS = qr/\A(?:-.*|cron|crond|anacron|atd|sshd.*|sftp-server|ssh|ssh-agent|gpg-agent|tmux|screen|dbus-.*|systemd|zsh)\z/i;
my $PLAIN       = qr{\A[\w./+\@-]+\z};
my $PIDFILES    = '/run/*.pid /run/*/*.pid /var/lib/*/*.pid /var/tmp/*.pid /tmp/*.pid /srv/*/*.pid /opt/*/*.pid /home/*/*.pid';

sub words_of { return split /\0/, text_of("/proc/$_[0]/cmdline") }

sub name_of { return ($_[0] // '') =~ s{.*/}{}r }

sub starter {    # the unit that started a process without a unit of its own; else undefined
    my ($pid) = @_;
    my @paths = text_of("/proc/$pid/cgroup") =~ /^\d+:(?:name=systemd)?:(.*)$/mg;
    return (map { /$STARTER/ ? $1 : () } @paths)[0];
}

sub pattern {    # empty if the process has none
    my ($program, @words) = @_;
    return '' if !defined $program || $program !~ $PLAIN || name_of($program) =~ $OF_SESSIONS;
    my @kept = $program;
    if (name_of($program) =~ $INTERPRETER) {
        push @kept, shift @words while @words && $words[0] =~ /\A-(?!e\z|c\z|r\z)(?:[A-Za-z]|jar)\z/;
        return '' if !@words || $words[0] !~ $PLAIN || $words[0] =~ /\A-/;
        push @kept, shift @words;
    }
    return join ' ', @kept, @words ? '*' : ();
}

sub is_supervised {    # by PM2, or a process of a login that is still there
    my ($pid) = @_;
    my $is_of_cron = starter($pid) !~ /ssh|session/;
    return grep { /\APM2 v/ || (!$is_of_cron && /\A(?:\S*\/)?sshd/) } map { (words_of($_))[0] // '' } ancestors($pid);
}

sub pidfiles {    # by PID
    my %file;
    for my $path (grep { -f && -s _ < 100 } glob $PIDFILES) {
        $file{$1} = $path if text_of($path) =~ /\A\s*(\d{1,9})\s*(?:\n|\z)/;
    }
    return %file;
}

sub sockets {    # listening ports by the number of the socket
    my %port;
    for (map { split /\n/, text_of($_) } qw(/proc/net/tcp /proc/net/tcp6)) {
        $port{$2} = hex $1 if /^\s*\d+: \w+:(\w{4}) \S+ 0A (?:\S+ +){5}(\d+)/;
    }
    return %port;
}

sub ports_of {    # of processes whose open files the login may see
    my ($port, @members) = @_;
    my %found = map { (readlink // '') =~ /\Asocket:\[(\d+)\]/ && $port->{$1} ? ($port->{$1} => 1) : () }
        map { glob "/proc/$_/fd/*" } @members;
    return sort { $a <=> $b } keys %found;
}

sub main {
    return if text_of('/proc/1/comm') ne "systemd\n";
    my %ours = map { $_ => 1 } $$, ancestors($$);
    my %pattern;
    for my $pid (grep { !$ours{$_} && !is_elsewhere($_) && defined starter($_) } pids()) {
        my ($stat) = stat_of($pid) or next;
        my $text = $stat->{terminal} ? '' : pattern(words_of($pid));
        $pattern{$pid} = $text if $text ne '' && !is_supervised($pid);
    }
    my ($uptime) = text_of('/proc/uptime') =~ /^([\d.]+)/ or fail('/proc/uptime is unreadable');
    my %file = pidfiles();
    my %port = sockets();
    for my $pid (sort { $a <=> $b } grep { !grep { $pattern{$_} } ancestors($_) } keys %pattern) {
        my ($stat) = stat_of($pid) or next;
        my @ports = ports_of(\%port, with_children($pid));
        next if !exists $file{$pid} && !@ports && $uptime - $stat->{start} / $TICKS_A_S < $LONG_S;
        my $user = getpwuid((stat "/proc/$pid")[4] // next) // next;
        my @texts = map { unpack 'H*', $_ } $pattern{$pid}, $user, starter($pid) // next, $file{$pid} // '';
        print join(' ', 'plain', @texts), join('', map {" $_"} @ports), "\n";
    }
}

main();
print "end\n";
