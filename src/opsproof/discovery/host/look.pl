# Which open log files and listening ports does a host have, as far as the login may see?
#
# Run on the host as `perl -e`, without arguments. Prints lines of a label and values; texts are hexadecimal, because
# names may contain any byte. The last line is "end".
#   hidden COUNT USER        number of processes of a user whose open files the login may not see
#   log KIND PATH            a log open for writing, and the format of its last lines: pm2-json json python
#                            postgresql nginx-combined syslog text empty unreadable
#   port ADDRESS PORT        a listening TCP port, the address in the hexadecimal form of /proc/net/tcp
# Opens no other file than logs open for writing, and reads their last 16 KiB. Needs only perl-base.
use strict;
use warnings;

my ($TAIL, $WRITING) = (16384, 3);

sub hex_of { return unpack 'H*', $_[0] }

sub read_file {    # empty if unreadable
    my ($path) = @_;
    open my $file, '<:raw', $path or return '';
    local $/;
    return <$file> // '';
}

sub kind {
    my ($path) = @_;
    open my $file, '<:raw', $path or return 'unreadable';
    my $size = -s $file;
    return 'empty' if !$size;
    seek $file, $size > $TAIL ? $size - $TAIL : 0, 0;
    my @lines = <$file>;
    shift @lines if $size > $TAIL;
    my %count;
    $count{ kind_of($_) }++ for @lines;
    delete $count{more};
    my ($most) = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
    return $most // 'text';
}

sub kind_of {
    my ($line) = @_;
    my $date = qr/\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d/;
    return 'more'           if $line =~ /^(?:\s|Caused by:|$)/;
    return 'pm2-json'       if $line =~ /^$date[^{]*: \{.*"level"/ || $line =~ /^\{.*"app_name".*"process_id"/;
    return 'pm2-json'       if $line =~ /^\{/ && $line =~ /"level"/ && $line =~ /"message"/ && $line =~ /"time"/;
    return 'json'           if $line =~ /^\{.*"(?:level|severity|levelname)"/;
    return 'nginx-combined' if $line =~ /^\S+ \S+ [^\[]*\[[^\]]+\] "[^"]*" (?:\d{3}|-) /;
    return 'postgresql'     if $line =~ /^$date\S* \S+ \[\d+\].*?\b(?:LOG|ERROR|FATAL|WARNING|STATEMENT|DETAIL|HINT):  /;
    return 'python'         if $line =~ /^\[?$date.{0,160}?\b(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)\b/;
    return 'syslog'         if $line =~ /^(?:$date\S*|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) \S+ \S+?:/;
    return 'text';
}

sub logs_of {    # false where the open files belong to another user
    my ($pid, $logs) = @_;
    opendir my $folder, "/proc/$pid/fd" or return 0;
    for my $number (grep {/^\d+\z/} readdir $folder) {
        my $path = readlink "/proc/$pid/fd/$number" // next;
        next if $path !~ m{^/.*log} || $path =~ m{\.(?:gz|lock|pid)\z|/pm2\.log\z|^/var/lib/docker/| \(deleted\)\z} || !-f $path;
        my ($flags) = read_file("/proc/$pid/fdinfo/$number") =~ /^flags:\s*(\d+)/m;
        $logs->{$path} = 1 if oct($flags // 0) & $WRITING;
    }
    return 1;
}

my (%hidden, %logs);
for my $pid (sort { $a <=> $b } map {m{(\d+)}} glob '/proc/[0-9]*') {
    next if read_file("/proc/$pid/cmdline") eq '' || logs_of($pid, \%logs);
    my $user = (stat "/proc/$pid")[4] // next;
    $hidden{ getpwuid($user) // "#$user" }++;
}
print "hidden $hidden{$_} $_\n" for sort keys %hidden;
print 'log ', kind($_), ' ', hex_of($_), "\n" for sort keys %logs;
for my $table (qw(/proc/net/tcp /proc/net/tcp6)) {
    for (split /\n/, read_file($table)) {
        print "port $1 ", hex $2, "\n" if /^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) \S+ 0A /;
    }
}
print "end\n";
