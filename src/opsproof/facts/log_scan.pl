#!/usr/bin/perl
# What an application log and its rotated files say about the last WINDOW_SECONDS.
#
#   perl log_scan.pl PATH json|text WINDOW_SECONDS
#
# Prints one line of ASCII JSON, times in seconds since 1970:
#   now; of the window: lines, recognized, errors, client_errors, fatals,
#   commonest [{level, message, count}], five at most, scrubbed of secrets;
#   oldest, newest: first and last dated line of all files, or null;
#   modified, size_bytes: of the current file; files_read; bytes_read, unpacked.
# Exit: 0 answered, 2 a log cannot be read, 3 gzip is missing or fails, 64 usage.
#
# recognized: json lines with a known level; text lines that a date places in time.
# A line without a date belongs to the line before it. A file's lines are in order
# of time, so bisection finds where the window starts. Counts of commonest are exact
# up to 20,000 different messages. Needs only perl-base, holds a few MiB.
use strict;
use warnings;
use Errno;
use List::Util qw(max min);

my $BLOCK = 1 << 20;    # bytes per read; a line of more is judged by its HEAD
my $HEAD  = 1 << 16;
my $PROBE = 1 << 14;    # bytes per step of the bisection

my %LEVEL  = map { $_ => 1 } qw(TRACE DEBUG INFO WARN ERROR FATAL);
my $STAMP  = qr/(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(\.\d+)?\s?(?:Z|([-+]\d\d):?(\d\d))/;
my $PREFIX = qr/[-0-9:TZ.+ ]{0,40}+/;
my $STRING = qr/"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"/;
my $SCALAR = qr/$STRING|[^][{}",\s]++/;
my $NEST   = qr/(?!)/;
$NEST = qr/[[{](?:[^][{}"\n]++|$STRING|$NEST)*+[]}]/ for 1 .. 9;    # deep enough, and no recursion
my $OTHER  = qr/(?!"(?:level|message|err|error|status|statusCode)":)$STRING:$SCALAR,/;

# A block is searched as a string of its own, which perl shares with its matches, not copies.
my $ODD    = qr/\n(?!$PREFIX\{"level":"(?>INFO|DEBUG|WARN|TRACE)")/;
my $DATED  = qr/\n(?=\d{4}-\d\d-\d\d[ T]\d\d:|$PREFIX\{[^\n]*?"time":"\d{4}-)/;
my $CLIENT = qr/\G$PREFIX\{"level":"ERROR"[^{}\n]*+(?<=,"err":)\{[^{}\n]*?(?<=[,{])"status(?:Code)?":4\d\d[,}]/;

sub fail {
    my ($status, $subject, $reason) = @_;
    $subject =~ s{.*/}{}s;
    print STDERR "$subject: $reason\n";
    exit $status;
}

# ---- times

sub epoch {
    my ($year, $month, $day, $h, $m, $s, $fraction, $east, $minutes) = @_;
    return if $month < 1 || $month > 12 || $day < 1 || $day > 31 || $h > 23 || $m > 59 || $s > 60;
    --$year if $month <= 2;    # the civil calendar, its years from March
    my $leaps  = int($year / 4) - int($year / 100) + int($year / 400);
    my $days   = 365 * $year + $leaps + int((153 * (($month + 9) % 12) + 2) / 5) + $day - 719469;
    my $offset = ($east // 0) * 60 + ($minutes // 0) * (($east // '') =~ /-/ ? -1 : 1);
    return $days * 86400 + $h * 3600 + ($m - $offset) * 60 + $s + ($fraction || 0);
}

sub time_of {
    my ($line) = @_;
    my @stamp = $line =~ /^$PREFIX\{.*?(?<=[{,])"time":"$STAMP"/;
    @stamp = $line =~ /^$STAMP/ if !@stamp;
    return @stamp ? epoch(@stamp) : undef;
}

# Visits the dated lines between two places of a block until a visit returns true.
sub dated {
    my ($block, $from, $end, $visit) = @_;
    pos($$block) = $from;
    while ($$block =~ /$DATED/g) {
        my $at = $-[0];
        last if $at >= $end;
        my ($line) = substr($$block, $at + 1, $HEAD) =~ /^([^\n]*)/;
        my $time = time_of($line);
        return 1 if defined $time && $visit->($at, $time);
    }
    return 0;
}

# ---- reading: in a block each line stands behind its "\n"

sub take {
    my ($file, $size, $buffer) = @_;
    my $got = sysread $file->{fh}, $$buffer, $size, length $$buffer;
    fail(2, $file->{path}, $!) if !defined $got;
    $file->{read} += $got;
    return $got;
}

# Visits the dated lines that start in the bytes [from, to) of a plain file.
sub walk {
    my ($file, $from, $to, $visit) = @_;
    my $base = $from - 1;    # of the "\n" before a line, which the first line lacks
    while ($base < $to - 1) {
        my $buffer = $base < 0 ? "\n" : '';
        sysseek $file->{fh}, max($base, 0), 0;
        take($file, $PROBE, \$buffer) or last;
        my $end = rindex $buffer, "\n";
        $end = length $buffer if $end <= 0;
        my $stop = min($end, $to - 1 - $base);
        return 1 if dated(\$buffer, 0, $stop, sub { $visit->($base + $_[0] + 1, $_[1]) });
        $base += $end;
    }
    return 0;
}

sub last_time {
    my ($file) = @_;
    my ($newest, $to, $step) = (undef, $file->{size}, $PROBE);
    while ($to > 0 && !defined $newest) {
        my $from = max(0, $to - $step);
        walk($file, $from, $to, sub { $newest = $_[1]; 0 });
        ($to, $step) = ($from, min($step * 4, $BLOCK));
    }
    return $newest;
}

sub start_of {    # the window
    my ($file, $since) = @_;
    my ($low, $high, $start) = (0, $file->{size});
    while ($high - $low > $PROBE) {
        my $middle = int(($low + $high) / 2);
        my ($at, $time);
        walk($file, $middle, $high, sub { ($at, $time) = @_; 1 });
        if (defined $at && $time < $since) { $low  = $at }
        else                               { $high = $middle }
    }
    walk($file, $low, $file->{size}, sub { $start = $_[0]; $_[1] >= $since }) or return $file->{size};
    return $start;
}

sub blocks {    # of whole lines
    my ($file, $left, $use) = @_;
    my ($buffer, $long) = ($file->{packed} ? "\n$file->{head}" : "\n", 0);
    while ($left > 0) {
        my $got = take($file, min($BLOCK, $left), \$buffer) or last;
        $left -= $got;
        if ($long) {
            my $next = index $buffer, "\n";
            substr $buffer, 0, $next < 0 ? length $buffer : $next, '';
            next if $next < 0;
        }
        my $cut = rindex $buffer, "\n";
        $long = $cut <= 0 && length $buffer > $BLOCK + 1;
        my $block = substr $buffer, 0, $long ? length $buffer : $cut, '';
        $use->($long ? \substr($block, 0, $HEAD + 1) : \$block) if length $block;
    }
    $buffer =~ s/\n\z//;
    $use->(\$buffer) if length $buffer;
}

# ---- messages

my $NAME = qr/(?:passw(?:or)?d|passphrase|pass(?![a-z])|pwd|secret|token|credential|(?:api|access|private|auth)[_-]?key
    |session[_-]?id)[\w-]*|(?:authorization|cookie)[\w-]*(?<rest>)/xi;
my $GIVEN = qr/\\+"(?:(?!\\+").)*+(?:\\+")?|"(?:[^"\\]|\\.)*+"?|'(?:[^'\\]|\\.)*+'?|[^\s,;&"'}]+/s;
my $KEY = qr/\beyJ[\w-]{8}[\w.-]*|\b(?:[srp]k|xox[a-z]|gh[a-z]|github_pat|glpat)[-_][\w-]{8,}|\b(?:AKIA|EAA)\w{12,}
    |\b(?=[\w-]{0,60}[0-9])(?=[\w-]{0,60}[A-Z])(?=[\w-]{0,60}[a-z])[\w-]{32,}/x;
my $ID = qr/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b0x[0-9a-f]+\b|\b(?=[a-f]*[0-9])[0-9a-f]{8,}\b
    |\b(?=[a-z]*[0-9])[a-z0-9]{20,}\b|[0-9]{5,}/xi;
my $UTF8 = qr/[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}/;

sub tidy {    # bytes in, at most 200 characters without secrets and ids out
    my ($text) = @_;
    $text = substr $text, 0, 4096;
    $text =~ s{://[^\s"'<>]*@}{://***@}g;
    $text =~ s/\b(Bearer|Basic)\s+[^\s"',;]+/$1 ***/gi;
    $text =~ s/($NAME[\\"']*\s*(?:[:=]+>?|%3[ad])\s*)(?(<rest>)[^\r\n]+|$GIVEN)/$1***/gi;
    $text =~ s/$KEY/***/g;
    $text =~ s/$ID/\xe2\x80\xa6/g;
    $text =~ s/\G((?:$UTF8)*+)./$1\xef\xbf\xbd/gs;
    utf8::decode($text);
    return substr $text, 0, 200;
}

sub note {
    my ($tally, $level, $text) = @_;
    my ($tidy, $count) = @$tally{qw(tidy count)};
    %$tidy = () if keys %$tidy > 1000;
    ++$tally->{ $level eq 'FATAL' ? 'fatals' : 'errors' };
    ++$count->{ "$level " . ($tidy->{$text} //= tidy($text)) };
    return if keys %$count <= 20_000;
    my @rarest = sort { $count->{$a} <=> $count->{$b} } keys %$count;
    delete @$count{ @rarest[0 .. $#rarest / 2] };
}

# ---- json lines

sub fields {    # an object's own raw values; the last of a repeated key counts
    my ($text, %value) = @_;
    return \%value if ($text // '') !~ /^$PREFIX(?=\{)/g;
    $value{$1} = $2 while $text =~ /\G[{,](?:$OTHER)*+"([^"\\\n]*+)":($SCALAR|$NEST)/g;
    return \%value;
}

sub character {    # that a JSON escape stands for
    my ($escape) = @_;
    return $escape =~ tr/ntrbf/\n\t\r\b\f/r if $escape !~ /^u(.+)/;
    my $character = chr($1 =~ /^d[89a-f]/i ? 0xfffd : hex $1);
    utf8::encode($character);
    return $character;
}

sub text {    # the bytes a JSON string stands for
    my ($raw) = @_;
    return '' if ($raw // '') !~ /^"/;
    $raw = substr $raw, 1, 4096;
    $raw =~ s/"\z//;
    $raw =~ s/\\(u[0-9a-f]{4}|.)/character($1)/gise;
    return $raw;
}

sub judge {    # true when the line has a level
    my ($tally, $line) = @_;
    my $is    = fields($line);
    my $level = $line =~ /^$PREFIX\{"level":"([A-Z]+)"/ ? $1 : text($is->{level});
    return $LEVEL{$level} if $level ne 'ERROR' && $level ne 'FATAL';
    my ($err, $error) = map { fields($_) } @$is{qw(err error)};
    if ($level eq 'ERROR' && grep { /^"?4\d\d"?$/ } map { $_ // '' } @$err{qw(status statusCode)}) {
        return ++$tally->{client_errors};
    }
    my ($detail) = grep { length } map { text($_) } $err->{message}, $is->{err}, $error->{message}, $is->{error};
    note($tally, $level, join ': ', grep { length } text($is->{message}), $detail // '');
    return 1;
}

sub count_lines {
    my ($block) = @_;
    my ($lines, $at) = (0, -1);
    ++$lines while ($at = index $$block, "\n", $at + 1) >= 0;
    return $lines;
}

sub scan_json {
    my ($tally, $block) = @_;
    my $lines = my $recognized = count_lines($block);
    pos($$block) = 0;
    while ($$block =~ /$ODD/g) {
        my $from = pos $$block;
        my $end  = index $$block, "\n", $from;
        $end = length $$block if $end < 0;
        my $size = $end - $from > $BLOCK ? $HEAD : $end - $from;
        if ($size <= $HEAD && $$block =~ /$CLIENT/g) { ++$tally->{client_errors} }
        else { judge($tally, substr $$block, $from, $size) or --$recognized }
        pos($$block) = $end;
    }
    $tally->{lines}      += $lines;
    $tally->{recognized} += $recognized;
}

# ---- text lines: a burst is what comes without a pause of more than a second

my $HEADLINE = qr/^(?:Uncaught\b|FATAL ERROR:|error: |\[?[\w\$.]*(?:Error|Exception|Rejection)(?: \[\w+\])?(?::|$))/;
my $PLACE    = qr/^(?:node:\S+|.*\.[cm]?[jt]sx?):\d+$/;    # a crash names it before the source line
my $QUIET    = qr/^\(node:\d+\) (?!Unhandled)|^\(Use `node --trace-|^\s+at |^[\s^]*$|^Node\.js v\d/;

sub settle {
    my ($tally) = @_;
    my $burst = $tally->{burst};
    note($tally, 'ERROR', $burst->{first}) if !$burst->{headlines} && defined $burst->{first};
    $tally->{burst} = { prefix => '', time => $burst->{time} };
}

sub placed {    # in its burst, and without its date
    my ($tally, $line) = @_;
    my $burst = $tally->{burst};
    my $known = length $burst->{prefix};
    return substr $line, $known if $known && index($line, $burst->{prefix}) == 0;
    my $time = time_of($line) // return $line;
    settle($tally) if abs($time - ($burst->{time} // $time)) > 1;
    my ($prefix) = $line =~ /^($STAMP:? ?)/;
    @{ $tally->{burst} }{qw(prefix time)} = ($prefix // '', $time);
    return substr $line, length($prefix // '');
}

sub hear {
    my ($tally, $line) = @_;
    my $burst  = $tally->{burst};
    my $source = delete $burst->{source};
    if ($line =~ $HEADLINE) {
        ++$burst->{headlines};
        note($tally, $line =~ /^FATAL/ ? 'FATAL' : 'ERROR', $line);
    }
    elsif ($line =~ $PLACE) { $burst->{source} = 1 }
    elsif (!$source && $line !~ $QUIET) { $burst->{first} //= $line }
}

sub scan_text {
    my ($tally, $block) = @_;
    my ($at, $length) = (0, length $$block);
    while ($at < $length) {
        my $end = index $$block, "\n", $at + 1;
        $end = $length if $end < 0;
        my $line = placed($tally, substr $$block, $at + 1, min($end - $at - 1, $HEAD));
        $line =~ s/\r\z//;
        hear($tally, $line);
        ++$_ for @$tally{qw(lines recognized)};
        $at = $end;
    }
}

# ---- files: each scan returns whether the file's last line is in the window, and is
# told so of the line before its first

sub scan_plain {
    my ($tally, $file, $since, $inside, $use) = @_;
    my $newest = $file->{newest} = last_time($file);
    return $inside if !defined $newest && $file->{modified} < $since;
    my $start = defined $newest ? start_of($file, $since) : 0;
    $start = 0 if $inside && !walk($file, 0, $start, sub { 1 });
    $use = sub { $tally->{lines} += count_lines($_[0]) } if !defined $newest && !$inside;
    sysseek $file->{fh}, $start, 0;
    blocks($file, $file->{size} - $start, $use);
    return defined $newest ? $start < $file->{size} : $inside;
}

sub scan_packed {
    my ($tally, $file, $since, $inside, $use) = @_;
    my $undated = 0;
    my $filter  = sub {
        my ($block) = @_;
        my ($length, $start) = (length $$block, 0);
        my $seek = sub { ($start, $file->{newest}) = @_; $_[1] >= $since };
        dated($block, max(0, $length - $PROBE), $length, sub { $file->{newest} = $_[1]; 0 });
        $inside ||= ($file->{newest} // $since) >= $since && dated($block, 0, $length, $seek);
        $undated += count_lines($block) if !$inside && !defined $file->{newest};
        $use->($start ? \substr $$block, $start : $block) if $inside;
    };
    blocks($file, 9**20, $filter);
    $tally->{lines} += $undated if !defined $file->{newest};
    close $file->{fh} or !-e $file->{path} or fail(3, $file->{path}, 'gzip failed');
    return $inside;
}

sub opened {    # with its first bytes, which tell a copy from another log
    my ($path) = @_;
    stat $path or return;
    $! = -d _ ? 21 : 22;
    return if !-f _;
    open my $fh, '<:raw', $path or return;
    my $file = { path => $path, fh => $fh, head => '', packed => scalar $path =~ /\.gz\z/ };
    @$file{qw(size modified)} = (stat $fh)[7, 9];
    no warnings 'exec';
    if ($file->{packed}) { open $fh, '-|:raw', 'gzip', '-dc', '--', $path or fail(3, 'gzip', $!) }
    1 while length $file->{head} < $HEAD && take($file, $HEAD - length $file->{head}, \$file->{head});
    return $file;
}

sub rotated {    # oldest first, by the date in their names
    my ($path) = @_;
    my ($folder, $name) = $path =~ m{^(.*/)?([^/]*)$}s;
    $folder //= './';
    $name =~ s/\.log$//;
    opendir my $list, $folder or fail(2, $path, $!);
    my %at;
    for (sort { $a cmp $b } readdir $list) {
        $at{$1} //= $folder . $_ if /^\Q$name\E__(\d[-\d_T:.]*)\.log(?:\.gz)?\z/;
    }
    return map { $at{$_} } sort keys %at;
}

# Oldest first, what may hold lines of the window; nothing when a file vanished. PM2 copies
# a log before it empties it: a file that starts like a newer one is that one's copy.
sub taken {
    my ($current, $since, @paths) = @_;
    my @files = $current;
    for my $path (reverse @paths) {
        next if ((stat $path)[9] // $since) < $since && ($current->{size} || @files > 1);
        my $file = opened($path);
        fail(2, $path, $!) if !$file && !$!{ENOENT};
        return if !$file;
        my $head = $file->{head};
        unshift @files, $file if !length $head || !grep { index($_->{head}, $head) == 0 } @files;
    }
    return @files;
}

sub oldest {
    for my $path (@_) {
        my $file = opened($path) or next;
        my $time;
        dated(\"\n$file->{head}", 0, $HEAD, sub { $time = $_[1]; 1 });
        return $time if defined $time;
    }
    return;
}

sub emptied {
    my ($file) = @_;
    my $head = '';
    sysseek $file->{fh}, 0, 0;
    take($file, length $file->{head}, \$head) if $file->{size};
    return $head ne $file->{head};
}

sub scan {    # nothing when the log was rotated meanwhile
    my ($path, $since, $use) = @_;
    my %tally   = (burst => { prefix => '' }, tidy => {}, count => {});
    my $current = opened($path) or fail(2, $path, $!);
    my @paths   = rotated($path);
    my @files   = taken($current, $since, @paths) or return;
    my $inside  = 0;
    for my $file (@files) {
        my $scan = $file->{packed} ? \&scan_packed : \&scan_plain;
        $inside = $scan->(\%tally, $file, $since, $inside, sub { $use->(\%tally, @_) });
        return if !-e $file->{path} && $file->{packed};
        $tally{newest} = $file->{newest} // $tally{newest};
        $tally{bytes_read} += $file->{read};
    }
    settle(\%tally);
    return if emptied($current);
    @tally{qw(modified size_bytes files_read)} = (@$current{qw(modified size)}, scalar @files);
    $tally{oldest} = oldest(@paths, $path);
    return \%tally;
}

# ---- the answer

sub quoted {
    my ($text) = @_;
    $text =~ s/([^\x00-\x{ffff}])/chr(0xd7c0 + (ord($1) >> 10)) . chr(0xdc00 + (ord($1) & 0x3ff))/ge;
    $text =~ s/([^ !#-\[\]-~])/sprintf '\u%04x', ord $1/ge;
    return qq("$text");
}

sub commonest {
    my ($count) = @_;
    my @messages = sort { $count->{$b} <=> $count->{$a} || $a cmp $b } keys %$count;
    splice @messages, 5 if @messages > 5;
    return join ', ', map {
        my ($level, $message) = split / /, $_, 2;
        sprintf '{"level": "%s", "message": %s, "count": %d}', $level, quoted($message), $count->{$_};
    } @messages;
}

sub main {
    my ($path, $format, $window) = @_;
    my %use = (json => \&scan_json, text => \&scan_text);
    fail(64, 'usage', 'log_scan.pl PATH json|text WINDOW_SECONDS')
        if @_ != 3 || !length $path || !$use{$format} || $window !~ /^[1-9]\d{0,9}\z/;
    local $SIG{PIPE} = 'DEFAULT';
    my ($now, $tally) = time;
    for (1 .. 3) { last if $tally = scan($path, $now - $window, $use{$format}) }
    fail(2, $path, 'rotated during each of three scans') if !$tally;
    my %answer = (map({ $_ => 0 } qw(lines recognized errors client_errors fatals bytes_read)), %$tally, now => $now);
    my $number = sub { join ', ', map { qq("$_": ) . (defined $answer{$_} ? int $answer{$_} : 'null') } @_ };
    print '{', $number->(qw(now lines recognized errors client_errors fatals)), ', "commonest": [',
        commonest($tally->{count}), '], ',
        $number->(qw(oldest newest modified size_bytes files_read bytes_read)), "}\n";
}

main(@ARGV);
