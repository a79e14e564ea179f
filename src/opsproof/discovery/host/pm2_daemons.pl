# Which PM2 daemons run, and which processes do they have?
#
# Run on the host as `perl -e`, with the program pm2_list.pl as argument. Prints a line for each daemon: its user,
# PM2_HOME and the folder of the command pm2, both hexadecimal, and the answer of pm2_list.pl, which is empty if the
# daemon is another user's. Of the daemon's environment, only PATH is read. Needs only perl-base.
use strict;
use warnings;

sub read_file {    # empty if unreadable
    my ($path) = @_;
    open my $file, '<:raw', $path or return '';
    local $/;
    return <$file> // '';
}

sub folder_of_pm2 {    # in the search path of this program, or else of the daemon
    my ($pid) = @_;
    return '' if grep { -x "$_/pm2" } split /:/, $ENV{PATH} // '';
    my ($path) = grep {s/^PATH=//} split /\0/, read_file("/proc/$pid/environ");
    my ($folder) = grep { -x "$_/pm2" } split /:/, $path // '';
    return $folder // '';
}

sub answer {
    my ($home, $folder) = @_;
    my $pid = open(my $output, '-|') // return '';
    if (!$pid) {
        $ENV{PATH} = "$folder:$ENV{PATH}" if $folder ne '';
        open STDERR, '>', '/dev/null';
        exec 'perl', '-e', $ARGV[0], $home;
        exit 127;
    }
    local $/;
    my $text = <$output> // '';
    return close($output) ? $text =~ s/\s*\z//r : '';
}

my %seen;
for my $pid (sort { $a <=> $b } map {m{(\d+)}} glob '/proc/[0-9]*') {
    my ($home) = read_file("/proc/$pid/cmdline") =~ m{^PM2 v\S+: God Daemon \((/.*)\)\0*\z}s;
    next if !defined $home || $seen{$home}++;
    my $folder = folder_of_pm2($pid);
    my $user = (stat "/proc/$pid")[4] // next;
    printf "%s %s %s %s\n", getpwuid($user) // "#$user", unpack('H*', $home), unpack('H*', $folder), answer($home, $folder);
}
