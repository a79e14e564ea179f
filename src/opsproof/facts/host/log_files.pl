# Which files belong to a log, and where in them does a time window begin?
#
# First part of several programs: log_formats.pl, then log_scan.pl or rotated_files.pl are appended, and run on the
# host as `perl -e`. Pragmas and variables of this file apply to the other parts. Other processes may write, rotate
# and truncate the log meanwhile.
use strict;
use warnings;
use Errno qw(EINVAL EISDIR);
use List::Util qw(max min);

my $BLOCK    = 1 << 20;    # bytes per read; of a longer line only HEAD bytes count
my $HEAD     = 1 << 16;
my $PROBE    = 1 << 14;    # bytes per step of the bisection
my $NO_LIMIT = 9**20;
my $SLACK    = 3600;       # seconds; lines closer in time count as in order

my %UNPACKER = (gz => 'gzip', bz2 => 'bzip2', xz => 'xz', zst => 'zstd');
my $PACKED   = qr/\.(?:gz|bz2|xz|zst)/;

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
        my ($line) = substr($$block, $at + 1, $HEAD) =~ /^([^\n]*)/;
        my $time = time_of($line);
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
        my $buffer = $base < 0 ? "\n" : '';
        sysseek $file->{fh}, max($base, 0), 0;
        read_more($file, $PROBE, \$buffer) or last;
        my $end = rindex $buffer, "\n";
        $end = length $buffer if $end <= 0;
        my $stop = min($end, $to - 1 - $base);
        return 1 if visit_block(\$buffer, 0, $stop, sub { $visit->($base + $_[0] + 1, $_[1]) });
        $base += $end;
    }
    return 0;
}

sub last_time {
    my ($file) = @_;
    my ($newest, $to, $step) = (undef, $file->{size}, $PROBE);
    while ($to > 0 && !defined $newest) {
        my $from = max(0, $to - $step);
        visit_file($file, $from, $to, sub { $newest = $_[1]; 0 });
        ($to, $step) = ($from, min($step * 4, $BLOCK));
    }
    return $newest;
}

sub window_start {    # offset of the first line not older than since
    my ($file, $since) = @_;
    my ($low, $high, $start, @seen) = (0, $file->{size});
    my $note = sub { push @seen, [@_]; 1 };
    visit_file($file, 0, $high, $note);
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
    visit_file($file, 0, $file->{size}, $note);
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
    unpack_through($file) if $file->{packed};
    1 while length $file->{head} < $HEAD && read_more($file, $HEAD - length $file->{head}, \$file->{head});
    return $file;
}

sub identity { return join ' ', (stat $_[0])[0, 1] }

sub unpack_through {    # the handle reads the unpacker's output from here on
    my ($file) = @_;
    no warnings 'exec';
    open $file->{fh}, '-|:raw', $file->{packed}, '-dc', '--', $file->{path} or fail(3, $file->{packed}, $!);
}

# Names of rotated files, oldest first: a date or number before the log's ending (pm2-logrotate, cronolog) or at the
# end of the name (logrotate, Python). A higher number is older.
sub rotated_names {
    my ($path) = @_;
    my ($folder, $name)   = $path =~ m{^(.*/)?([^/]*)$}s;
    my ($stem,   $ending) = $name =~ /^(.+?)(\.[a-z]\w*)?\z/si;
    $ending //= '';
    my $mark = '[-_.](\d{4}-?\d\d(?:[-_T.:]?\d\d){0,5}(?:[-.]\d+)?)|(\.\d{1,4})';
    my $rest = qr/(?|(?|__(\d[-\d_T:.]*)|$mark)\Q$ending\E|\Q$ending\E(?|$mark))(?:$PACKED)?/;
    opendir my $list, $folder // '.' or fail(2, $path, $!);
    my %key;
    for (readdir $list) {
        my ($found) = /^\Q$stem\E$rest\z/ or next;
        next if stat(($folder // '') . $_) && !-f _;    # a folder or a pipe
        $key{$_} = join ' ', map { sprintf '%010d', $_ } $found =~ /\d+/g;
        $key{$_} = sprintf '~%05d', 99999 - $1 if $found =~ /^\.(\d+)\z/;
    }
    return map { [$_, substr $_, length $stem] } sort { $key{$a} cmp $key{$b} || $a cmp $b } keys %key;
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
    sysseek $file->{fh}, 0, 0;
    read_more($file, length $file->{head}, \$head) if $file->{size};
    return $head ne $file->{head};
}

# ---- lines of the window: each scan returns whether the file's last line is in the
# window; $inside says so of the previous file

sub scan_plain {
    my ($tally, $file, $since, $inside, $use) = @_;
    my $newest = $file->{newest} = last_time($file);
    return $inside if !defined $newest && $file->{modified} < $since;
    my $start = defined $newest ? window_start($file, $since) : 0;
    $start = 0 if $inside && !visit_file($file, 0, $start, sub { 1 });    # undated lines continue the previous file
    $use = sub { $tally->{lines} += count_lines($_[0]) } if !defined $newest && !$inside;
    sysseek $file->{fh}, $start, 0;
    each_block($file, $file->{size} - $start, $use);
    return defined $newest ? $start < $file->{size} : $inside;
}

# Whether all lines of a block are surely older than since: its ends are, in order, and within an hour.
sub is_older {
    my ($file, $block, $since) = @_;
    my ($length, $latest, $first, $last) = (length $$block, $file->{latest});
    visit_block($block, 0, $length, sub { $first = $_[1]; 1 });
    visit_block($block, max(0, $length - $PROBE), $length, sub { $last = $_[1]; 0 });
    return 0 if !defined $first;
    $last //= $first;
    return 0 if grep { $_ >= $since } $first, $last;
    return 0 if abs($last - $first) > $SLACK || abs($first - ($latest // $first)) > $SLACK;
    $file->{newest} = $last;
    note_order($file, $_) for $first, $last;
    return 1;
}

sub scan_packed {
    my ($tally, $file, $since, $inside, $use) = @_;
    my $undated = 0;
    my $filter  = sub {
        my ($block) = @_;
        my ($length, $start) = (length $$block, 0);
        my $seek = sub { note_order($file, $_[1]); ($start, $file->{newest}) = @_; $_[1] >= $since };
        if (!$inside) { $inside = !is_older($file, $block, $since) && visit_block($block, 0, $length, $seek) }
        else          { visit_block($block, max(0, $length - $PROBE), $length, sub { $file->{newest} = $_[1]; 0 }) }
        $undated += count_lines($block) if !$inside && !defined $file->{newest};
        $use->($start ? \substr $$block, $start : $block) if $inside;
    };
    each_block($file, $NO_LIMIT, $filter);
    $tally->{lines} += $undated if !defined $file->{newest};
    close $file->{fh} or !-e $file->{path} or fail(3, $file->{path}, "$file->{packed} failed");
    return $inside;
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
