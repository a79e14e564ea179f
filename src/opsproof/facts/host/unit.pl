# In which state is a unit of systemd, and what do its processes take?
#
# Last part of a program: appended to process_tree.pl, with the arguments MANAGER UNIT PORT...
#   MANAGER  system or user
# Prints lines of a label and a value; the last line is "end":
#   manager KEY=VALUE, unit KEY=VALUE    properties by systemctl show, with times in UTC
#   job KEY=VALUE                        properties of the unit that a timer starts
#   processes, halted, memory, total, closed, stalled    as process_tree.pl reports
# systemctl's exit status and message are passed on. Needs no rights.

my $ANY  = 'Id,LoadState,ActiveState,SubState,Result,Type';
my $UNIT = "$ANY,UnitFileState,NeedDaemonReload,NRestarts,MainPID,ControlGroup,FreezerState,MemoryMax,"
    . 'ExecMainStartTimestamp,ActiveEnterTimestamp,LastTriggerUSec,Triggers,TriggeredBy,WantedBy,RequiredBy,BoundBy,UpheldBy';

sub show {    # prints the properties, and returns them by name
    my ($label, $manager, $properties, @unit) = @_;
    no warnings 'exec';
    open my $pipe, '-|', 'systemctl', "--$manager", '--no-pager', 'show', "--property=$properties", '--', @unit
        or (print STDERR "systemctl: $!\n"), exit 127;
    my %value;
    while (<$pipe>) {
        print "$label $_";
        $value{$1} = $2 if /^(\w+)=(.*)/;
    }
    close $pipe or exit(($? >> 8) || 1);
    return %value;
}

sub members {    # of a control group and the groups below; each controller lists its groups in a line
    my ($group) = @_;
    return () if $group eq '';
    return grep { text_of("/proc/$_/cgroup") =~ m{^\d+:(?:name=systemd)?:(?:/.*)?\Q$group\E(?:/.*)?$}m } pids();
}

sub main {
    my ($manager, $name, @ports) = @_;
    $ENV{TZ} = 'UTC';
    $ENV{XDG_RUNTIME_DIR} //= "/run/user/$<" if $manager eq 'user';
    show('manager', $manager, 'UserspaceTimestamp');
    my %unit = show('unit', $manager, $UNIT, $name);
    show('job', $manager, $ANY, $unit{Triggers}) if $name =~ /\.timer\z/ && ($unit{Triggers} // '') ne '';
    report_on(\@ports, members($unit{ControlGroup} // ''));
}

main(@ARGV);
