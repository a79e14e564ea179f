# How many errors, and which, did an application log record in the last WINDOW_SECONDS?
#
# Last part of a program: appended to log_files.pl and log_formats.pl, and run on the host as `perl -e` with the
# arguments PATH WINDOW_SECONDS FORMATS of log_formats.pl.
#
# Prints one line of ASCII JSON, times in seconds since 1970:
#   now; of the window: lines, recognized, errors, client_errors, fatals, ignored, leveled,
#   commonest [{level, message, count}], at most five, unread: at most three lines, all without secrets;
#   oldest, newest: first and last dated line of all files, or null;
#   since: begin of the window; growth: bytes a minute in the busiest ten minutes of the window;
#   disordered: files whose lines are out of order, and which were read from the beginning;
#   rotations: when each rotated file was last written;
#   unplaced: errors, client errors and fatals in undated lines of an unknown time, which may be in the window;
#   modified, size_bytes: of the current file; files_read; bytes_read, unpacked.
# Exit: 0 success, 2 a log cannot be read, 3 gzip is missing or fails, 64 usage.
#
# recognized: lines of a format, their continuations and exceptions; all lines of dated text logs.
# leveled: lines of a text log with a level below ERROR, which suggests another format.
# A line without a date has the time of the line before, unless the window begins in a gap of over an hour behind that
# line. Where lines are in order of time,
# bisection finds the start of the window. Counts of commonest are exact up to 20,000
# different messages. Needs only perl-base, holds a few MiB.

# ---- messages

my $SHOWN  = 200;       # characters of a message
my $KINDS  = 20_000;    # different messages counted

my $NAME = qr/(?:passw(?:or)?d|passphrase|pass(?![a-z])|pwd|secret|token|credential|(?:api|access|private|auth)[_-]?key
    |session[_-]?id)[\w-]*|(?:authorization|cookie)[\w-]*(?<rest>)/xi;
my $GIVEN = qr/\\+"(?:(?!\\+").)*+(?:\\+")?|"(?:[^"\\]|\\.)*+"?|'(?:[^'\\]|\\.)*+'?|[^\s,;&"'}]+/s;
my $BRIEF = qr/(?<![a-z])(?:jwt|sess(?:ion)?|sid|[tc]?otp|mfa|pin|signature|sig|hmac|[cx]srf|passcode)
    (?:[_-]?(?:id|key|token|value|hash|code))?[\\"']*\s*(?:=+>?|%3d|:(?=[\s\\"']*[^\s\\"',;]*[0-9]))\s*/xi;
my $OPTION = qr/(?<![\w-])--?(?:[\w-]*(?:passw(?:or)?d|passphrase|pwd|secret|token|[_-]key)|pass)\s+
    |\b(?:mysql|maria)[\w-]*\s[^\n|;]*?(?<=\s)-p(?=\S)|\bsshpass\s+-p\s*|\bredis-cli\s[^\n|;]*?(?<=\s)-a\s+
    |\bcurl\s[^\n|;]*?(?<=\s)(?:-u|--user)\s+/xi;
my $MENTION = qr/\b(?:passw(?:or)?d|passcode|secret|token|jwt|otp|session|api[ _-]?key)\s+["']?
    (?=\S*[0-9]|\S*(?-i:[a-z]\S*[A-Z])|\S{16})(?=[^\s,;"']{6})/xi;
my $PEM = qr/-----BEGIN[ ][A-Z0-9 ]+-----/;
my $KEY = qr/\beyJ[\w-]{8}[\w.-]*|\b(?:[srp]k|xox[a-z]|xapp|gh[a-z]|github_pat|gl[a-z]{1,4})[-_][\w-]{8,}
    |\b(?:A[KSBC][IC]A|EAA)\w{12,}
    |\b(?:AIza|ya29\.|npm_|pypi-|SG\.|hv[bs]\.|do[op]_v1_|dp\.[a-z]+\.|shp[a-z]{2}_|sq0[a-z]{3}-|PMAK-|lin_api_|hf_|dapi
        |AGE-SECRET-KEY-1|pscale_[a-z]+_|ATATT3|NRAK-|sntry[su]_|key-)[\w.=-]{12,}
    |\b[0-9]{8,10}:AA[\w-]{30,}|\A[A-Za-z0-9+\/]{40,}={0,2}\z
    |\b(?=[\w-]{0,60}[0-9])(?=[\w-]{0,60}[A-Z])(?=[\w-]{0,60}[a-z])[\w-]{32,}/x;
my $ID = qr/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b0x[0-9a-f]+\b|\b(?=[a-f]*[0-9])[0-9a-f]{8,}\b
    |\b(?=[a-z]*[0-9])[a-z0-9]{20,}\b|[0-9]{5,}/xi;
my $UTF8 = qr/[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}/;

sub scrubbed {    # bytes to characters, without secrets and ids
    my ($text) = @_;
    $text = substr $text, 0, $JUDGED;
    $text =~ s{://[^\s"'<>]*@}{://***@}g;
    $text =~ s/($PEM).*?(?:-----END[ A-Z0-9]+-----|\z)/$1***/gs;
    $text =~ s/\b(Bearer|Basic)\s+[^\s"',;]+/$1 ***/gi;
    $text =~ s/($NAME[\\"']*\s*(?:[:=]+>?|%3[ad])\s*)(?(<rest>)[^\r\n]+|$GIVEN)/$1***/gi;
    $text =~ s/($BRIEF|$OPTION|$MENTION)$GIVEN/$1***/g;
    $text =~ s/$KEY/***/g;
    $text =~ s/$ID/\xe2\x80\xa6/g;
    $text =~ s/\G((?:$UTF8)*+)./$1\xef\xbf\xbd/gs;
    utf8::decode($text);
    return substr $text, 0, $SHOWN;
}

sub count_message {
    my ($tally, $level, $text) = @_;
    my ($known, $count) = @$tally{qw(scrubbed count)};
    %$known = () if keys %$known > 1000;
    ++$tally->{ $level eq 'FATAL' ? 'fatals' : 'errors' };
    ++$count->{ "$level " . ($known->{$text} //= scrubbed($text)) };
    forget_rarest($count) if keys %$count > $KINDS;
}

sub forget_rarest {    # half of all, to run seldom
    my ($count) = @_;
    my @rarest = sort { $count->{$a} <=> $count->{$b} } keys %$count;
    delete @$count{ @rarest[0 .. $#rarest / 2] };
}

# ---- lines

my $HEADLINE = qr/^(?:Uncaught\b|(?:FATAL[ ]ERROR|error|panic):(?:[ ]|$)|thread[ ]'.*'[ ]panicked\b
    |Exception[ ]in[ ]thread\b|\[?[\w\$.]*(?:Error|Exception|Rejection)(?:[ ]\[\w+\])?(?::|$))/x;
my $CONTINUED = qr/^(?:\s|at |Caused by: |Suppressed: |\.\.\. \d+ |[])}]+[,;]?\s*$|\^|$)/;
my $TRACEBACK = qr/^Traceback \(most recent call last\):/;
my $CHAINED   = qr/^(?:During handling of the above exception|The above exception was the direct cause)/;
my $WARNING   = qr/^\(node:\d+\) (?!Unhandled)|^\(Use `node --trace-|^Node\.js v\d/;
my $PLACE     = qr/^(?:node:\S+|.*\.[cm]?[jt]sx?):\d+$/;    # a crash prints the place before the source line
my $LEVELED   = qr/^(?:[^\n]{0,120}?[\s\[("=|:])?(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING)(?=[\s\])":|,])
    |^(?:\e\[\d+m)*(?:\S+[ ]-[ ])?[A-Z]{3,7}[ ]\/\S*[ ](?:HTTP\/[\d.]+[ ])?(?:\e\[\d+m)*(?:\d{3}|-)(?=\e|[ ])
    |^\S+[ ]\S+[ ][^\[\n]{0,80}\[[^\]\n]{10,40}\][ ]"[A-Z]{3,7}[ ][^"\n]*"[ ](?:\d{3}|-)[ ]
    |^[^\n]{0,200}?\blevel"?\s*[=:]\s*"?(?:trace|debug|info|notice|warn)|^[^\n]{0,80}?\[(?:debug|info|notice|warn)\]/x;

sub count_error {    # unless the inventory says otherwise
    my ($tally, $severity, $message, $line) = @_;
    my $judged = %PATTERN ? substr $line =~ s/$DATE//r, 0, $JUDGED : '';
    if    ($PATTERN{ignore} && $judged =~ $PATTERN{ignore}) { ++$tally->{ignored} }
    elsif ($severity eq 'CLIENT' || $PATTERN{client} && $judged =~ $PATTERN{client}) { ++$tally->{client_errors} }
    else                                                    { count_message($tally, $severity, $message) }
}

sub keep_unread {    # three lines suffice as evidence
    my ($tally, $line) = @_;
    push @{ $tally->{unread} }, scrubbed($line) if @{ $tally->{unread} } < 3;
    return 0;
}

# A write that a full disk or a kill cut short has no newline: the next record follows in the same line, perhaps behind
# PM2's date. It begins as the line does, not in a string, where each quote has a backslash, and either behind a
# character after which no value of JSON begins, or as a whole object up to the end of the line: behind a value of
# another record the brackets of that record would follow.
sub records_of {
    my ($line) = @_;
    my ($begin) = $line =~ /^[-0-9:TZ.+ \t]{0,40}+(\{"[^"\\\n]*":)/ or return $line;
    return $line if index($line, $begin) == rindex($line, $begin);
    my $date  = qr/(?:\d{4}-\d\d-\d\d[ T][-0-9:TZ.+ ]{0,30})?/;
    my $whole = qr/(?=\Q$begin\E)$NEST\s*\z/;
    return split /(?:(?<=[^:,\[{\s])|(?<=[^:,\[{\s] ))(?=$date\Q$begin\E)|(?<![\dZ]:[ ])(?<=.)(?=$date$whole)/s, $line;
}

sub read_line {    # true if each record in the line was understood
    my ($tally, $line) = @_;
    $line =~ s/\A\0+(?=[^\0])|\r\z//g;
    my $unread = grep { !read_record($tally, $_) } $IS_JSON ? records_of($line) : $line;
    return !$unread;
}

sub read_record {
    my ($tally, $line) = @_;
    for my $format (@FORMATS) {
        my ($severity, $message) = $format->{record}->($format, $line);
        next if !defined $severity;
        count_error($tally, $severity, $message, $line) if $severity ne 'QUIET';
        $tally->{record} = { owns => $format->{pattern} && $severity ne 'QUIET' };
        return 1;
    }
    return $IS_TEXT ? count_text_line($tally, $line) : count_loose_line($tally, $line =~ s/$DATE//r);
}

# A line of no format continues the record before, or is an exception. A logged exception, and the exceptions behind
# it, follow the record of a text format; others are errors of their own.
sub count_loose_line {
    my ($tally, $line) = @_;
    my $record = $tally->{record};
    my $owned  = $record->{owns} || $record->{chained};
    if    ($line =~ $CHAINED)   { $record->{chained} = 1 }
    elsif ($line =~ $TRACEBACK) { $record->{raised}  = 1 }
    elsif ($line =~ $CONTINUED || $line =~ $WARNING) { }
    elsif ($line =~ $HEADLINE || delete $record->{raised}) {
        count_error($tally, $line =~ /^(?:FATAL|panic)/ ? 'FATAL' : 'ERROR', $line, $line) if !$owned;
        @$record{qw(raised owns chained)} = (0, 0, 0);
    }
    elsif (grep { $line =~ $_ } values %PATTERN) { count_error($tally, 'CLIENT', '', $line) }
    else { return keep_unread($tally, $line) }
    return 1;
}

# ---- lines of a text log: each is an error, unless it continues one. A burst are the lines within a second of its
# first; behind a headline, its other lines are details

sub without_date {    # assigns the line to its burst; most lines repeat the date of the line before
    my ($tally, $line) = @_;
    my $burst = $tally->{burst};
    my $known = length $burst->{prefix};
    return substr $line, $known if $known && index($line, $burst->{prefix}) == 0;
    my $time = moment($line) // return $line;
    $burst = $tally->{burst} = { time => $time } if abs($time - ($burst->{time} // 0)) > 1;
    $burst->{prefix} = $line =~ /($DATE)/ ? $1 : '';
    return substr $line, length $burst->{prefix};
}

sub count_text_line {
    my ($tally, $dated) = @_;
    my $line      = without_date($tally, $dated);
    my $burst     = $tally->{burst};
    my $is_source = delete $burst->{source_next};
    if ($line =~ $HEADLINE) {
        $burst->{headlines} = 1;
        count_error($tally, $line =~ /^(?:FATAL|panic)/ ? 'FATAL' : 'ERROR', $line, $line);
        return 1;
    }
    if ($line =~ $PLACE) { return $burst->{source_next} = 1 }
    return 1 if $is_source || $burst->{headlines} || $line =~ $CONTINUED || $line =~ $TRACEBACK || $line =~ $WARNING;
    if (substr($line, 0, $JUDGED) =~ $LEVELED) {
        ++$tally->{leveled};
        keep_unread($tally, $line);
    }
    count_error($tally, 'ERROR', $line, $line);
    return 1;
}

# ---- blocks: a quiet line of JSON whose level comes first is merely counted; the others are read

my $CLIENT = qr/\G$PREFIX\{"level":"ERROR"[^{}\n]*+(?<=,"err":)\{[^{}\n]*?
    (?<=[,{])"status(?:Code)?":4\d\d[,}]/x;

# Expressions for the beginnings of lines to read, each from its newline on: the usual one, and a slower one for blocks
# where another level than that of the line's beginning may follow in a line.
sub lines_to_read {
    my ($format) = grep { $_->{level} && $_->{kind} ne 'caddy-json' } @FORMATS or return { usual => qr/\n/ };
    my $key   = join '|', map { quotemeta } @{ $format->{level} };
    my $quiet = qr/$SPACE(?:"(?i:info|debug|warn|trace|warning)"|[1-4]\d)[,}]/;
    my @loud  = qr/\{"(?:$key)":(?!$quiet)/;
    if ($format->{kind} eq 'pm2-json') {
        $quiet = qr/"(?>INFO|DEBUG|WARN|TRACE)"/;
        @loud  = map { qr/\{"level":"$_"/ } qw(ERROR FATAL);    # Perl finds a literal faster than an alternation
    }
    my $begin   = qr/$PREFIX\{"(?:$key)":$quiet/;
    my $careful = join '|', @loud;
    return { usual => qr/\n(?!$begin)/, loud => \@loud, careful => qr/\n(?!$begin(?![^\n]*(?:$careful)))/ };
}

sub is_joined {    # whether a level that is not quiet stands elsewhere than at the beginning of a line
    my ($block, $expressions) = @_;
    for my $loud (@$expressions) {
        pos($$block) = 0;
        while ($$block =~ /$loud/g) {
            my $begin = rindex($$block, "\n", $-[0]) + 1;
            return 1 if substr($$block, $begin, $-[0] - $begin) !~ /^$PREFIX\z/;
        }
    }
    return 0;
}

sub scan_block {
    my ($tally, $block, $to_read) = @_;
    my $lines  = my $recognized = count_lines($block);
    my $listed = !$PATTERN{ignore} && grep { $_->{kind} ne 'caddy-json' && grep { $_ eq 'level' } @{ $_->{level} } }
        grep { $_->{level} } @FORMATS;
    my $last   = $tally->{last} // -1;
    my $joined = $to_read->{loud} && is_joined($block, $to_read->{loud});
    my $begin  = $to_read->{ $joined ? 'careful' : 'usual' };
    pos($$block) = 0;
    while ($$block =~ /$begin/g) {    # Perl shares a block string with its matches instead of copying
        my $from = pos $$block;
        my $end  = index $$block, "\n", $from;
        $end = length $$block if $end < 0;
        my $size = $end - $from > $BLOCK ? $HEAD : $end - $from;
        if ($listed && !$joined && $size <= $HEAD && $$block =~ /$CLIENT/g) { ++$tally->{client_errors} }
        else {
            $tally->{record} = {} if $from - 1 != $last;
            read_line($tally, substr $$block, $from, $size) or --$recognized;
            $last = $end;
        }
        pos($$block) = $end;
    }
    $tally->{last} = $last == length $$block ? 0 : -1;
    $tally->{lines}      += $lines;
    $tally->{recognized} += $recognized;
}

sub new_tally {
    return (burst => { prefix => '' }, record => {}, unread => [], points => [], scrubbed => {}, count => {});
}

sub total {
    my ($tally) = @_;
    return sum0(map { $tally->{$_} // 0 } qw(errors client_errors fatals));
}

# Counts a block of the window. Of unplaced lines only errors and unread lines count, and without any date before
# nothing is read; of an older record only what its continuations need is kept.
sub use_block {
    my ($tally, $to_read, $block, $kind) = @_;
    if (!defined $kind) {
        note_growth($tally, $block);
        return scan_block($tally, $block, $to_read);
    }
    my %before = (lines => 0, recognized => 0, %$tally);
    my %older  = new_tally();
    return $tally->{lines} += count_lines($block) if $kind eq 'undated';
    scan_block($kind eq 'older' ? \%older : $tally, $block, $to_read);
    @$tally{qw(burst record last)} = @older{qw(burst record last)} if $kind eq 'older';
    return if $kind eq 'older';
    my $errors = total($tally) - total(\%before);
    my $unread = $tally->{lines} - $before{lines} - $tally->{recognized} + $before{recognized};
    $tally->{unplaced}   += $errors;
    $tally->{lines}      = $before{lines} + $errors + $unread;
    $tally->{recognized} = $before{recognized} + $errors;
}

# ---- growth

sub note_growth {    # the time and the number of bytes before each block
    my ($tally, $block) = @_;
    $tally->{bytes} //= 0;
    visit_block($block, 0, length $$block, sub { push @{ $tally->{points} }, [$_[1], $tally->{bytes}]; 1 });
    $tally->{bytes} += length $$block;
}

sub growth {    # bytes a minute, in the busiest ten minutes
    my ($tally) = @_;
    my @points = (@{ $tally->{points} }, [$tally->{newest} // 0, $tally->{bytes} // 0]);
    my ($most, $from) = (0, 0);
    for my $to (@points) {
        ++$from while $points[$from] != $to && $points[$from + 1][0] <= $to->[0] - 600;
        for my $point ($points[$from], $points[$from + 1] // ()) {
            my ($seconds, $bytes) = map { $to->[$_] - $point->[$_] } 0, 1;
            $most = max($most, $bytes * 60 / max(600, $seconds));
        }
    }
    return $most;
}

# ---- the answer

sub scan {    # empty if the log was rotated meanwhile
    my ($path, $since) = @_;
    my %tally   = new_tally();
    my $to_read = lines_to_read();
    my $current = open_log($path) or fail(2, $path, $!);
    my @paths   = rotated_paths($path);
    my @files   = files_of_window($current, $since, @paths) or return;
    return if "@paths" ne join ' ', rotated_paths($path);    # a file may have got a name that was not listed
    my $use = sub { use_block(\%tally, $to_read, @_) };
    scan_files(\%tally, $since, $use, @files) or return;
    return if was_rotated($current);
    @tally{qw(modified size_bytes files_read)} = (@$current{qw(modified size)}, scalar @files);
    $tally{oldest}    = oldest_time(@paths, $path);
    $tally{growth}    = growth(\%tally);
    $tally{rotations} = [map { (stat $_)[9] // () } @paths];
    return \%tally;
}

sub quoted {    # as an ASCII JSON string, with surrogate pairs beyond 16 bits
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

sub print_answer {
    my ($now, $since, $tally) = @_;
    my @counts = qw(lines recognized errors client_errors fatals ignored leveled disordered unplaced bytes_read);
    my %answer = (map({ $_ => 0 } @counts), %$tally, now => $now, since => $since);
    my $number = sub { join ', ', map { qq("$_": ) . (defined $answer{$_} ? int $answer{$_} : 'null') } @_ };
    print '{', $number->(qw(now lines recognized errors client_errors fatals ignored leveled)), ', "commonest": [',
        commonest($tally->{count}), '], "unread": [', join(', ', map { quoted($_) } @{ $tally->{unread} }),
        '], "rotations": [', join(', ', @{ $tally->{rotations} }), '], ',
        $number->(qw(since growth disordered unplaced oldest newest modified size_bytes files_read bytes_read)), "}\n";
}

sub main {
    my ($path, $window, @formats) = @_;
    fail(64, 'usage', 'log_scan.pl PATH WINDOW_SECONDS FORMATS')
        if @formats < 2 || @formats % 2 || !length $path || $window !~ /^[1-9]\d{0,9}\z/;
    configure(@formats);
    local $SIG{PIPE} = 'DEFAULT';
    my ($now, $tally) = time;
    for (1 .. 3) { last if $tally = scan($path, $now - $window) }
    fail(2, $path, 'rotated during each of three scans') if !$tally;
    print_answer($now, $now - $window, $tally);
}

main(@ARGV);
