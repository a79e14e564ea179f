# Which files belong to a log, and where in them does a time window begin?
#
# Second part of several programs: rotated_names.pl comes before; log_formats.pl, then log_scan.pl or rotated_files.pl
# are appended, and run on the host as `perl -e`. Variables of this file apply to the other parts. Other processes may
# write, rotate and truncate the log meanwhile.
use Errno qw(EINVAL EISDIR);
use List::Util qw(max min sum0);

my $BLOCK    = 1 << 20;    # bytes per read; of a longer line only HEAD bytes count
my $HEAD     = 1 << 16;
my $PROBE    = 1 << 14;    # bytes per step of the bisection
my $NO_LIMIT = 9**20;
my $SLACK    = 3600;       # seconds; lines closer in time count as in order

my $MOST_KEPT = 1 << 26;    # bytes of undated lines in a compressed file
my $TO_DATA  = 3;          # sysseek to the first byte behind a hole

sub fail {
    my ($status, $subject, $reason) = @_;
    $subject =~ s{.*/}{}s;
    print STDERR "$subject: $reason\n";
    exit $status;
}

# ---- dated lines; log_formats.pl has time_of

# Visits dated lines between two offsets of a block until a visit returns true.
sub visit_block {
    my ($block, $from, $end, $visit) = @_;
    pos($$block) = $from;
    while ($$block =~ /\n(?=\S)/g) {
        my $at = $-[0];
        last if $at >= $end;
        my ($line) = substr($$block, $at + 1, $HEAD) =~ /^\0*+([^\n]*)/;
        my $time = time_of($line =~ s/\r\z//r);
        return 1 if defined $time && $visit->($at, $time);
    }
    return 0;
}

# ---- reading: in a block each line follows its "\n"

sub read_more {
    my ($file, $size, $buffer) = @_;
    my $got = sysread $file->{fh}, $$buffer, $size, length $$buffer;
    fail(2, $file->{path}, $!) if !defined $got;
    $file->{read} += $got;
    return $got;
}

sub drop_to_newline {
    my ($buffer) = @_;
    my $next = index $$buffer, "\n";
    substr $$buffer, 0, $next < 0 ? length $$buffer : $next, '';
    return $next >= 0;
}

sub count_lines {
    my ($block) = @_;
    my ($lines, $at) = (0, -1);
    ++$lines while ($at = index $$block, "\n", $at + 1) >= 0;
    return $lines;
}

sub each_block {    # of whole lines
    my ($file, $left, $use) = @_;
    my ($buffer, $long) = ($file->{packed} ? "\n$file->{head}" : "\n", 0);
    while ($left > 0) {
        my $got = read_more($file, min($BLOCK, $left), \$buffer) or last;
        $left -= $got;
        next if $long && !drop_to_newline(\$buffer);
        my $cut = rindex $buffer, "\n";
        $long = $cut <= 0 && length $buffer > $BLOCK + 1;
        my $block = substr $buffer, 0, $long ? length $buffer : $cut, '';
        $use->($long ? \substr($block, 0, $HEAD + 1) : \$block) if length $block;
    }
    $buffer =~ s/\n\z//;
    $use->(\$buffer) if length $buffer;
}

# ---- bisection of an uncompressed file

# Visits dated lines starting in bytes [from, to) until a visit returns true.
sub visit_file {
    my ($file, $from, $to, $visit) = @_;
    my $base = $from - 1;    # offset of the "\n" before a line; the first line has none
    while ($base < $to - 1) {
        my $buffer = $base < $file->{begin} ? "\n" : '';
        sysseek $file->{fh}, max($base, $file->{begin}), 0;
        read_more($file, $PROBE, \$buffer) or last;
        my $end = rindex $buffer, "\n";
        $end = length $buffer if $end <= 0;
        my $stop = min($end, $to - 1 - $base);
        return 1 if visit_block(\$buffer, 0, $stop, sub { $visit->($base + $_[0] + 1, $_[1]) });
        $base += $end;
    }
    return 0;
}

sub last_dated {    # offset and time of the last dated line before an offset
    my ($file, $end)  = @_;
    my ($to,   $step) = ($end, $PROBE);
    my @last;
    while ($to > $file->{begin} && !@last) {
        my $from = max($file->{begin}, $to - $step);
        visit_file($file, $from, $to, sub { @last = @_; 0 });
        ($to, $step) = ($from, min($step * 4, $BLOCK));
    }
    return @last;
}

sub window_start {    # offset of the first line not older than since
    my ($file, $since) = @_;
    my ($low, $high, $start, @seen) = ($file->{begin}, $file->{size});
    my $note = sub { push @seen, [@_]; 1 };
    visit_file($file, $low, $high, $note);
    while ($high - $low > $PROBE) {
        my $middle = int(($low + $high) / 2);
        my $found  = visit_file($file, $middle, $high, $note) && $seen[-1];
        if ($found && $found->[1] < $since) { $low  = $found->[0] }
        else                                { $high = $middle }
    }
    my $is_inside = sub { $note->(@_); $start = $_[0]; $_[1] >= $since };
    $start = $file->{size} if !visit_file($file, $low, $file->{size}, $is_inside);
    return is_in_order($file, @seen) ? $start : start_by_reading($file, $since);
}

# Whether the lines seen by bisection are in order, up to the last line; a gap before the window may hide that the line
# before was misdated.
sub is_in_order {
    my ($file, @seen) = @_;
    my $gap = @seen > 1 && $seen[-1][1] - $seen[-2][1] > $SLACK;
    my ($in_order, $latest) = (!$gap, 0);
    for my $time ((map { $_->[1] } sort { $a->[0] <=> $b->[0] } @seen), $file->{newest}) {
        $in_order = 0 if $time < $latest - $SLACK;
        $latest = max($latest, $time);
    }
    return $in_order;
}

sub note_order {
    my ($file, $time) = @_;
    $file->{disordered} = 1 if $time < ($file->{latest} // 0) - $SLACK;
    $file->{latest} = max($file->{latest} // 0, $time);
}

sub start_by_reading {    # a line from the future does not begin the window, unless there is no other
    my ($file, $since) = @_;
    my ($start, $ahead);
    my $note = sub {
        my ($at, $time) = @_;
        note_order($file, $time);
        if    ($time > time + $SLACK) { $ahead //= $at }
        elsif ($time >= $since)       { $start //= $at }
        return 0;
    };
    visit_file($file, $file->{begin}, $file->{size}, $note);
    return $start // $ahead // $file->{size};
}

# ---- the log's files

sub open_log {    # with its first bytes, to recognise copies
    my ($path) = @_;
    stat $path or return;
    $! = (-d _) ? EISDIR : EINVAL;
    return if !-f _;
    open my $fh, '<:raw', $path or return;
    my $file = { path => $path, fh => $fh, head => '', packed => $UNPACKER{ $path =~ /\.(\w+)\z/ ? $1 : '' } };
    @$file{qw(size modified)} = (stat $fh)[7, 9];
    $file->{identity} = identity($fh);
    $file->{begin} = unpack_through($file) || sysseek($fh, 0, $TO_DATA) || 0;
    read_head($file);
    return $file;
}

# From the first line on. A log truncated under a writer that does not append begins with a hole, and its copies with
# NUL bytes; a byte order mark is no part of a line either.
sub read_head {
    my ($file) = @_;
    my $got = 1;
    while ($got && length $file->{head} < $HEAD) {
        $got = read_more($file, $HEAD - length $file->{head}, \$file->{head});
        $file->{begin} += length $1 if $file->{head} =~ s/\A(\0+)//;
    }
    $file->{begin} += 3 if $file->{head} =~ s/\A\xef\xbb\xbf//;
}

sub identity { return join ' ', (stat $_[0])[0, 1] }

sub unpack_through {    # the handle of a compressed file reads the unpacker's output from here on
    my ($file) = @_;
    return if !$file->{packed};
    no warnings 'exec';
    open $file->{fh}, '-|:raw', $file->{packed}, '-dc', '--', $file->{path} or fail(3, $file->{packed}, $!);
    return '0 but true';
}

sub rotated_names {
    my ($path) = @_;
    my $folder = $path =~ m{^(.*/)}s ? $1 : './';
    opendir my $list, $folder or fail(2, $path, $!);
    return grep { !stat($folder . $_->[0]) || -f _ } rotated_among($path, readdir $list);    # no folder, no pipe
}

sub rotated_paths {    # oldest first; an uncompressed file replaces its compressed twin
    my ($path) = @_;
    my $folder = $path =~ m{^(.*/)}s ? $1 : './';
    my %seen;
    return map { $folder . $_->[0] } grep { !$seen{ $_->[0] =~ s/$PACKED\z//r }++ } rotated_names($path);
}

# Files that may hold lines of the window, oldest first; empty if a file vanished. PM2 copies
# a log before truncating it: a file starting like a newer file is a copy.
sub files_of_window {
    my ($current, $since, @paths) = @_;
    my @files = $current;
    for my $path (reverse @paths) {
        next if ((stat $path)[9] // $since) < $since && ($current->{size} || @files > 1);
        my $file = open_log($path);
        fail(2, $path, $!) if !$file && !$!{ENOENT};
        return if !$file;
        my $head = $file->{head};
        unshift @files, $file if !length $head || !grep { index($_->{head}, $head) == 0 } @files;
    }
    return @files;
}

sub oldest_time {
    for my $path (@_) {
        my $file = open_log($path) or next;
        my $time;
        visit_block(\"\n$file->{head}", 0, $HEAD, sub { $time = $_[1]; 1 });
        return $time if defined $time;
    }
    return;
}

sub was_rotated {    # renamed, or truncated and perhaps written to, since opened
    my ($file) = @_;
    return 1 if identity($file->{path}) ne $file->{identity};
    my $head = '';
    sysseek $file->{fh}, $file->{begin}, 0;
    read_more($file, length $file->{head}, \$head) if $file->{size};
    return $head ne $file->{head};
}

# ---- lines of the window: each scan returns whether the file's last line is in the
# window; $inside says so of the previous file

sub scan_plain {
    my ($tally, $file, $since, $inside, $use) = @_;
    my $newest = $file->{newest} = (last_dated($file, $file->{size}))[1];
    return $inside if !defined $newest && $file->{modified} < $since;
    my $start = defined $newest ? window_start($file, $since) : $file->{size};
    $start = $file->{begin} if $inside && !visit_file($file, $file->{begin}, $start, sub { 1 });
    scan_gap($tally, $file, $since, $start, $use);
    sysseek $file->{fh}, $start, 0;
    each_block($file, $file->{size} - $start, $use);
    return defined $newest ? $start < $file->{size} : $inside;
}

# Undated lines behind an older line are of an unknown time if the next line, or the end of the file, is much younger.
sub scan_gap {
    my ($tally, $file, $since, $start, $use) = @_;
    my ($from, $time) = last_dated($file, $start);
    my ($is_record, $behind) = (defined $from, $file->{modified});
    visit_file($file, $start, $file->{size}, sub { $behind = $_[1]; 1 });
    return if !is_gap($time // $tally->{newest}, $behind, $since);
    $from //= $file->{begin};
    sysseek $file->{fh}, $from, 0;
    my $kind = defined($file->{newest} // $tally->{newest}) ? 'unplaced' : 'undated';
    each_block($file, $start - $from, sub { use_gap($use, $kind, $_[0], \$is_record) });
}

sub is_gap {
    my ($before, $behind, $since) = @_;
    return $behind >= $since && $behind - ($before // 0) > $SLACK;
}

sub use_gap {    # the first line may be the older record
    my ($use, $kind, $block, $is_record) = @_;
    my $end = $$is_record ? index $$block, "\n", 1 : 0;
    my ($record, $lines) = $end < 0 ? ($$block, '') : (substr($$block, 0, $end), substr $$block, $end);
    $use->(\$record, 'older') if $$is_record;
    $use->(\$lines,  $kind)   if length $lines;
    $$is_record = 0;
}

# Offset and time of the last dated line of a block, if all are surely older than since: its ends are, in order, and
# within an hour.
sub is_older {
    my ($file, $block, $since) = @_;
    my ($length, $latest, $first, $last) = (length $$block, $file->{latest});
    my $end = 0;
    visit_block($block, 0, $length, sub { $first = $_[1]; 1 });
    visit_block($block, max(0, $length - $PROBE), $length, sub { ($end, $last) = @_; 0 });
    return if !defined $first || !defined $last;
    return if grep { $_ >= $since } $first, $last;
    return if abs($last - $first) > $SLACK || abs($first - ($latest // $first)) > $SLACK;
    note_order($file, $first);
    return ($end, $last);
}

sub scan_packed {
    my ($tally, $file, $since, $inside, $use) = @_;
    my $gap    = { text => '', time => $tally->{newest}, is_record => 0 };
    my $filter = sub {
        my ($block) = @_;
        my $length = length $$block;
        if ($inside) {
            visit_block($block, max(0, $length - $PROBE), $length, sub { $file->{newest} = $_[1]; 0 });
            return $use->($block);
        }
        my ($start, $behind) = first_inside($file, $block, $since, $gap);
        $inside = defined $behind or return;
        use_gap($use, 'unplaced', \@$gap{qw(text is_record)}) if is_gap($gap->{time}, $behind, $since);
        my $rest = substr $$block, $start;    # a copy: matching a reference to substr copies it each time
        $use->(\$rest);
    };
    each_block($file, $NO_LIMIT, $filter);
    my $is_open = !$inside && is_gap($gap->{time}, $file->{modified}, $since);
    use_gap($use, defined $gap->{time} ? 'unplaced' : 'undated', \@$gap{qw(text is_record)}) if $is_open;
    close $file->{fh} or !-e $file->{path} or fail(3, $file->{path}, "$file->{packed} failed");
    return $inside;
}

# Offset and time of the block's first line of the window. The gap keeps the last dated line before and what follows.
sub first_inside {
    my ($file,  $block,  $since, $gap) = @_;
    my ($start, $behind, $from) = (length $$block);
    my $seek = sub {
        note_order($file, $file->{newest} = $_[1]);
        if   ($_[1] >= $since) { ($start, $behind) = @_ }
        else                   { ($from, $gap->{time}) = @_ }
        return defined $behind;
    };
    my @last = is_older($file, $block, $since);
    if   (@last) { $seek->(@last) }
    else         { visit_block($block, 0, length $$block, $seek) }
    @$gap{qw(text is_record)} = ('', 1) if defined $from;
    $gap->{text} .= substr $$block, $from // 0, $start - ($from // 0);
    fail(3, $file->{path}, 'too many lines without a date') if length $gap->{text} > $MOST_KEPT;
    return ($start, $behind);
}

sub scan_files {    # false if a file vanished
    my ($tally, $since, $use, @files) = @_;
    my $inside = 0;
    for my $file (@files) {
        my $scan = $file->{packed} ? \&scan_packed : \&scan_plain;
        $inside = $scan->($tally, $file, $since, $inside, $use);
        return 0 if !-e $file->{path} && $file->{packed};    # gzip may have stopped early; an open file stays readable
        $tally->{newest} = $file->{newest} // $tally->{newest};
        $tally->{bytes_read} += $file->{read};
        $tally->{disordered} += $file->{disordered} // 0;
    }
    return 1;
}
