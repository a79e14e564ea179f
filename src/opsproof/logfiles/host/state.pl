# Which current, rotated and leftover files does each log have, and which processes write to them?
#
# Last part of a program: joined behind json_text.pl and writers.pl, and sent to the host as `perl -e` with the
# arguments PM2_HOME COUNT PATH...; COUNT is 1 to count lines.
#
# Prints one line of JSON, times in seconds since 1970:
#   now; daemon: its process ID, or null;
#   logs [{current: null or {bytes, lines, writers}; held: whether the daemon still writes to the former current file;
#     files [{name, bytes, modified, packed, ours: whether named as PM2's modules and rotate.pl do, sure: whether
#       surely of this log, writers}]; left [name]; odd [name], entries that are symbolic links or no files: reading a
#       FIFO would wait for ever}]
# Exit: 0 answered, 1 failed. Needs only perl-base.

my ($home, $count, @paths) = @ARGV;
my (%writers, %held);
my $daemon = daemon_of($home);

sub look_for_writers {
    opendir my $list, '/proc' or fail("/proc: $!");
    for my $pid (grep { /^\d+\z/ && $_ != $$ } readdir $list) {
        my %path = written_by($pid);
        push @{ $writers{$_} }, $pid for keys %path;
        %held = %path if $pid == ($daemon // 0);
    }
}

sub lines_of {
    my ($path) = @_;
    return 'null' if !$count;
    open my $file, '<:raw', $path or fail("$path: $!");
    my ($lines, $block) = (0, '');
    $lines += $block =~ tr/\n// while sysread $file, $block, 1 << 20;
    return $lines;
}

sub packed {
    my ($path) = @_;
    open my $file, '<:raw', $path or fail("$path: $!");
    my $head = '';
    sysread $file, $head, 2;
    return $head eq "\x1f\x8b" ? 'true' : 'false';
}

sub writing { return list(@{ $writers{ identity($_[0]) // '' } // [] }) }

sub current {
    my ($path) = @_;
    my ($bytes) = (stat $path)[7] // ($!{ENOENT} ? return 'null' : fail("$path: $!"));
    return object(bytes => $bytes, lines => lines_of($path), writers => writing($path));
}

sub name_of {
    my ($name) = $_[0] =~ m{([^/]*)\z}s;
    return '"' . $name =~ s/(["\\\x00-\x1f])/sprintf '\\u%04x', ord $1/ger . '"';
}

sub rotated {
    my ($path, $is_sure) = @_;
    my ($bytes, $modified) = (stat $path)[7, 9];
    my @size = (bytes => $bytes, modified => $modified, packed => packed($path), writers => writing($path));
    my ($ours, $sure) = map { $_ ? 'true' : 'false' } scalar($path =~ /$DATED(?:\.gz)?\z/), $is_sure;
    return object(name => name_of($path), ours => $ours, sure => $sure, @size);
}

sub is_same_path {    # for missing files too: compares name, and identity of the folder
    my ($one, $other) = map { [split_path($_)] } @_;
    return $one->[1] eq $other->[1] && (identity($one->[0]) // '') eq (identity($other->[0]) // '-');
}

sub is_held {    # whether the daemon has a renamed or removed file open
    my ($path, @rotated) = @_;
    return 'true' if grep { exists $held{ identity($_) // '' } } @rotated;
    return (grep { s/ \(deleted\)\z// && is_same_path($path, $_) } map { "$_" } values %held) ? 'true' : 'false';
}

sub state_of {
    my ($path) = @_;
    my @rotated = rotated_beside($path);
    my @paths   = map { $_->[0] } @rotated;
    my @left    = beside($path, qr/(?:$DATED\.gz\.part|\.log\.new)/);
    my %odd     = map { $_ => 1 } grep { -l || -e && !-f } $path, @paths, @left;
    my @names   = map { name_of($_) } grep { !$odd{$_} } @left;
    my @files   = map { rotated(@$_) } grep { !$odd{ $_->[0] } } @rotated;
    my @odd     = map { name_of($_) } sort keys %odd;
    my @now     = (current => $odd{$path} ? 'null' : current($path), held => is_held($path, @paths));
    return object(@now, files => list(@files), left => list(@names), odd => list(@odd));
}

look_for_writers();
print object(now => time, daemon => $daemon // 'null', logs => list(map { state_of($_) } @paths)), "\n";
