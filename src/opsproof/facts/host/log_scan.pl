# How many errors, and which, did an application log record in the last WINDOW_SECONDS?
#
# Second part of a program: appended to log_files.pl, and run on the host as `perl -e` with the
# arguments PATH json|text WINDOW_SECONDS.
#
# Prints one line of ASCII JSON, times in seconds since 1970:
#   now; of the window: lines, recognized, errors, client_errors, fatals,
#   commonest [{level, message, count}], at most five, without secrets;
#   oldest, newest: first and last dated line of all files, or null;
#   since: begin of the window; rotations: when each rotated file was last written;
#   modified, size_bytes: of the current file; files_read; bytes_read, unpacked.
# Exit: 0 success, 2 a log cannot be read, 3 gzip is missing or fails, 64 usage.
#
# recognized: json lines with a known level; text lines with a known time.
# A line without a date has the time of the line before. Lines are in order of time, so
# bisection finds the start of the window. Counts of commonest are exact up to 20,000
# different messages. Needs only perl-base, holds a few MiB.

my %LEVEL  = map { $_ => 1 } qw(TRACE DEBUG INFO WARN ERROR FATAL);
my $STRING = qr/"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"/;
my $SCALAR = qr/$STRING|[^][{}",\s]++/;
my $NEST   = qr/(?!)/;
$NEST = qr/[[{](?:[^][{}"\n]++|$STRING|$NEST)*+[]}]/ for 1 .. 9;    # nine levels suffice, without recursion
my $OTHER  = qr/(?!"(?:level|message|err|error|status|statusCode)":)$STRING:$SCALAR,/;

# Perl shares a block string with its matches instead of copying.
my $ODD    = qr/\n(?!$PREFIX\{"level":"(?>INFO|DEBUG|WARN|TRACE)")/;
my $CLIENT = qr/\G$PREFIX\{"level":"ERROR"[^{}\n]*+(?<=,"err":)\{[^{}\n]*?(?<=[,{])"status(?:Code)?":4\d\d[,}]/;

# ---- messages

my $SHOWN  = 200;       # characters of a message
my $JUDGED = 4096;      # bytes of a message that are examined
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

# ---- json lines

sub fields {    # raw top-level values of an object; the last of a repeated key counts
    my ($text, %value) = @_;
    return \%value if ($text // '') !~ /^$PREFIX(?=\{)/g;
    $value{$1} = $2 while $text =~ /\G[{,](?:$OTHER)*+"([^"\\\n]*+)":($SCALAR|$NEST)/g;
    return \%value;
}

sub unescaped {    # bytes of the character of a JSON escape
    my ($escape) = @_;
    return $escape =~ tr/ntrbf/\n\t\r\b\f/r if $escape !~ /^u(.+)/;
    my $character = chr($1 =~ /^d[89a-f]/i ? 0xfffd : hex $1);
    utf8::encode($character);
    return $character;
}

sub string_of {    # bytes of a JSON string; empty for other values
    my ($raw) = @_;
    return '' if ($raw // '') !~ /^"/;
    $raw = substr $raw, 1, $JUDGED;
    $raw =~ s/"\z//;
    $raw =~ s/\\(u[0-9a-f]{4}|.)/unescaped($1)/gise;
    return $raw;
}

sub count_line {    # true if the line has a known level
    my ($tally, $line) = @_;
    my $own   = fields($line);
    my $level = $line =~ /^$PREFIX\{"level":"([A-Z]+)"/ ? $1 : string_of($own->{level});
    return $LEVEL{$level} if $level ne 'ERROR' && $level ne 'FATAL';
    my ($err, $error) = map { fields($_) } @$own{qw(err error)};
    my @status = map { $_ // '' } @$err{qw(status statusCode)};
    return ++$tally->{client_errors} if $level eq 'ERROR' && grep { /^"?4\d\d"?$/ } @status;
    my ($detail) = grep { length } map { string_of($_) } $err->{message}, $own->{err}, $error->{message}, $own->{error};
    count_message($tally, $level, join ': ', grep { length } string_of($own->{message}), $detail // '');
    return 1;
}

sub scan_json {    # parses only unusual lines; the others are merely counted
    my ($tally, $block) = @_;
    my $lines = my $recognized = count_lines($block);
    pos($$block) = 0;
    while ($$block =~ /$ODD/g) {
        my $from = pos $$block;
        my $end  = index $$block, "\n", $from;
        $end = length $$block if $end < 0;
        my $size = $end - $from > $BLOCK ? $HEAD : $end - $from;
        if ($size <= $HEAD && $$block =~ /$CLIENT/g) { ++$tally->{client_errors} }
        else { count_line($tally, substr $$block, $from, $size) or --$recognized }
        pos($$block) = $end;
    }
    $tally->{lines}      += $lines;
    $tally->{recognized} += $recognized;
}

# ---- text lines: a burst is a group of lines without a pause of over a second; each headline in
# a burst is an error, or without headlines its first line that is not quiet

my $HEADLINE = qr/^(?:Uncaught\b|FATAL ERROR:|error: |\[?[\w\$.]*(?:Error|Exception|Rejection)(?: \[\w+\])?(?::|$))/;
my $PLACE    = qr/^(?:node:\S+|.*\.[cm]?[jt]sx?):\d+$/;    # a crash prints the place before the source line
my $QUIET    = qr/^\(node:\d+\) (?!Unhandled)|^\(Use `node --trace-|^\s+at |^[\s^]*$|^Node\.js v\d/;

sub end_burst {
    my ($tally) = @_;
    my $burst = $tally->{burst};
    count_message($tally, 'ERROR', $burst->{first}) if !$burst->{headlines} && defined $burst->{first};
    $tally->{burst} = { prefix => '', time => $burst->{time} };
}

sub without_date {    # assigns the line to its burst; most lines repeat the date of the line before
    my ($tally, $line) = @_;
    my $burst = $tally->{burst};
    my $known = length $burst->{prefix};
    return substr $line, $known if $known && index($line, $burst->{prefix}) == 0;
    my $time = time_of($line) // return $line;
    end_burst($tally) if abs($time - ($burst->{time} // $time)) > 1;
    my ($prefix) = $line =~ /^($STAMP:? ?)/;
    @{ $tally->{burst} }{qw(prefix time)} = ($prefix // '', $time);
    return substr $line, length($prefix // '');
}

sub count_text_line {
    my ($tally, $line) = @_;
    my $burst     = $tally->{burst};
    my $is_source = delete $burst->{source_next};
    if ($line =~ $HEADLINE) {
        ++$burst->{headlines};
        count_message($tally, $line =~ /^FATAL/ ? 'FATAL' : 'ERROR', $line);
    }
    elsif ($line =~ $PLACE) { $burst->{source_next} = 1 }
    elsif (!$is_source && $line !~ $QUIET) { $burst->{first} //= $line }
}

sub scan_text {
    my ($tally, $block) = @_;
    my ($at, $length) = (0, length $$block);
    while ($at < $length) {
        my $end = index $$block, "\n", $at + 1;
        $end = $length if $end < 0;
        my $line = without_date($tally, substr $$block, $at + 1, min($end - $at - 1, $HEAD));
        $line =~ s/\r\z//;
        count_text_line($tally, $line);
        ++$_ for @$tally{qw(lines recognized)};
        $at = $end;
    }
}

# ---- the answer

sub scan {    # empty if the log was rotated meanwhile
    my ($path, $since, $use) = @_;
    my %tally   = (burst => { prefix => '' }, scrubbed => {}, count => {});
    my $current = open_log($path) or fail(2, $path, $!);
    my @paths   = rotated_paths($path);
    my @files   = files_of_window($current, $since, @paths) or return;
    scan_files(\%tally, $since, sub { $use->(\%tally, @_) }, @files) or return;
    end_burst(\%tally);
    return if was_rotated($current);
    @tally{qw(modified size_bytes files_read)} = (@$current{qw(modified size)}, scalar @files);
    $tally{oldest}    = oldest_time(@paths, $path);
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
    my %answer = (map({ $_ => 0 } qw(lines recognized errors client_errors fatals bytes_read)), %$tally, now => $now, since => $since);
    my $number = sub { join ', ', map { qq("$_": ) . (defined $answer{$_} ? int $answer{$_} : 'null') } @_ };
    print '{', $number->(qw(now lines recognized errors client_errors fatals)), ', "commonest": [',
        commonest($tally->{count}), '], "rotations": [', join(', ', @{ $tally->{rotations} }), '], ',
        $number->(qw(since oldest newest modified size_bytes files_read bytes_read)), "}\n";
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
    print_answer($now, $now - $window, $tally);
}

main(@ARGV);
