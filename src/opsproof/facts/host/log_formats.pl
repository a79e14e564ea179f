# When was a log line written, and how severe is its record?
#
# Third part of several programs: log_files.pl comes before, log_scan.pl or rotated_files.pl follows. The formats of a
# log are given as alternating keys and values:
#   pm2-json, json, caddy-json "TIMES LEVELS MESSAGES": usual names of the fields, comma-separated, without a nesting;
#   python, nginx-combined, syslog, postgresql, pattern "GROUP=NUMBER,... REGEX"; text ""; zone "START:SECONDS,...";
#   client, ignore REGEX.
# PM2 may have put its own date in front of each line.

my $STRING = qr/"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"/;
my $SCALAR = qr/$STRING|[^][{}",\s]++/;
my $SPACE  = qr/[ \t]*+/;
my $NEST   = qr/(?!)/;
$NEST = qr/[[{](?:[^][{}"\n]++|$STRING|$NEST)*+[]}]/ for 1 .. 9;    # nine levels suffice, without recursion

my $JUDGED = 4096;                                                  # bytes of a line or message that are examined
my $PREFIX = qr/[-0-9:TZ.+ ]{0,40}+/;                               # PM2's date, or nothing, before a JSON record
my $DATE   = qr/^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?\s?(?:Z|[-+]\d\d:?\d\d)?: ?/;

my (@FORMATS, @ZONE, %PATTERN, $IS_TEXT, $IS_JSON, $WANTED, $OTHER);
my %MONTH = map { (qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec))[$_ - 1] => $_ } 1 .. 12;

my %SEVERITY = (
    map({ $_ => 'QUIET' } qw(trace debug info information informational notice log verbose silly http success warn
            warning detail hint query context location statement backtrace)),
    map({ $_ => 'ERROR' } qw(error err severe)),
    map({ $_ => 'FATAL' } qw(fatal critical crit alert emerg emergency panic dpanic)),
);

sub configure {
    my %names = (level => {}, message => {});
    while (my ($key, $value) = splice @_, 0, 2) {
        if    ($key eq 'text')               { $IS_TEXT       = 1 }
        elsif ($key eq 'zone')               { @ZONE          = map { [split /:/] } split /,/, $value }
        elsif ($key =~ /^(?:client|ignore)$/) { $PATTERN{$key} = qr/$value/ }
        elsif ($key =~ /json$/)              { push @FORMATS, json_format($key, $value) }
        else                                 { push @FORMATS, pattern_format($key, split / /, $value, 2) }
    }
    $IS_JSON = grep { $_->{level} } @FORMATS;
    my @wanted = map { @{ $_->{level} }, @{ $_->{message} } } grep { $_->{level} } @FORMATS;
    $WANTED = join '|', map { quotemeta } @wanted, qw(err error message status statusCode);
    $OTHER  = qr/(?!"(?:$WANTED)"$SPACE:)$STRING$SPACE:$SPACE$SCALAR$SPACE,$SPACE/;
}

sub json_format {
    my ($kind, $names) = @_;
    my ($times, $levels, $messages) = map { [split /,/] } split / /, $names;
    my $time = join '|', map { quotemeta } @$times;
    return {
        kind    => $kind,
        level   => $levels,
        message => $messages,
        time    => qr/^$PREFIX\{[^\n]*?(?<=[{, ])"(?:$time)"$SPACE:$SPACE"?([^",}]+)/,
        record  => \&json_record,
    };
}

sub pattern_format {
    my ($kind, $groups, $pattern) = @_;
    my %number = map { split /=/ } split /,/, $groups;
    return { kind => $kind, number => \%number, pattern => qr/$pattern/, record => \&pattern_record };
}

# ---- times

sub epoch {    # without a zone, in the declared zone, if any
    my ($year, $month, $day, $h, $m, $s, $fraction, $zone) = @_;
    return if $month < 1 || $month > 12 || $day < 1 || $day > 31 || $h > 23 || $m > 59 || $s > 60;
    --$year if $month <= 2;    # civil calendar, with years starting in March
    my $leaps = int($year / 4) - int($year / 100) + int($year / 400);
    my $days  = 365 * $year + $leaps + int((153 * (($month + 9) % 12) + 2) / 5) + $day - 719469;
    my $local = $days * 86400 + $h * 3600 + $m * 60 + $s + ($fraction ? "0.$fraction" : 0);
    return $local - ($2 * 3600 + ($3 // 0) * 60) * ($1 eq '-' ? -1 : 1) if ($zone // '') =~ /^([-+])(\d\d):?(\d\d)?/;
    return $local if ($zone // '') =~ /^(?:Z|UTC|GMT)$/;
    my ($offset) = map { $_->[1] } grep { $_->[0] + $_->[1] <= $local } reverse @ZONE or return;
    return $local - $offset;
}

sub moment {    # of a time in one of the usual notations
    my ($text) = @_;
    my $clock = qr/(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9})\d*)?/;
    my $zone  = qr/\s?(Z|[A-Z]{3,5}|[-+]\d\d(?::?\d\d)?)?/;
    return epoch($1, $2, $3, $4, $5, $6, $7, $8) if $text =~ m{^(\d{4})[-/](\d\d)[-/](\d\d)[ T]$clock$zone};
    return epoch($3, $MONTH{$2} // 0, $1, $4, $5, $6, $7, $8) if $text =~ m{^(\d\d)/(\w{3})/(\d{4}):$clock$zone};
    return $1 / (length $1 > 11 ? 1000 : 1) + ($2 // 0) if $text =~ /^(\d{10,13})(\.\d+)?\s*$/;
    return $1 * 10**$2 if $text =~ /^(\d\.\d+)[eE]\+?(\d+)\s*$/;
    return $text =~ /^(\w{3}) +(\d{1,2}) $clock/ && $MONTH{$1} ? without_year($MONTH{$1}, $2, $3, $4, $5) : undef;
}

sub without_year {    # the latest such time that is not in the future
    my @rest = @_;
    my $year = 1970 + int(time / 31556952);
    my ($moment) = grep { defined && $_ <= time + 86400 } map { epoch($_, @rest) } $year + 1, $year, $year - 1;
    return $moment;
}

sub time_of {    # of the line's own format, else PM2's date
    my ($line) = @_;
    for my $format (@FORMATS) {
        my ($text) = $format->{time} ? $line =~ $format->{time} : group_of($format, $line, 'time');
        my $moment = defined $text ? moment($text) : undef;
        return $moment if defined $moment;
    }
    return $line =~ /^\[?(\d{4}[-\/]\d\d[-\/]\d\d.{0,40})/ ? moment($1) : undef;
}

sub groups_of {    # in the line, with or without PM2's date
    my ($format, $line) = @_;
    my @groups = substr($line, 0, $JUDGED) =~ $format->{pattern};
    return @groups ? @groups : substr($line =~ s/$DATE//r, 0, $JUDGED) =~ $format->{pattern};
}

sub group_of {
    my ($format, $line, $name) = @_;
    my $number = $format->{number}{$name} or return;
    return (groups_of($format, $line))[$number - 1];
}

# ---- records: severity (CLIENT for errors of clients), and the message of an error

sub severity {    # nothing for unknown levels; numbers as pino and bunyan
    my ($level) = @_;
    return $SEVERITY{ lc $level =~ s/(?<=[a-z])[1-5]$//ir } if $level !~ /^\d/;
    return $level !~ /^[1-6]\d$/ ? undef : $level >= 60 ? 'FATAL' : $level >= 50 ? 'ERROR' : 'QUIET';
}

sub fields {    # raw top-level values of an object; the last of a repeated key counts
    my ($text, %value) = @_;
    return \%value if ($text // '') !~ /^(?=\{)/g;
    $value{$1} = $2 while $text =~ /\G[{,]$SPACE(?:$OTHER)*+"([^"\\\n]*+)"$SPACE:$SPACE($SCALAR|$NEST)$SPACE/g;
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

sub json_record {
    my ($format, $text) = @_;
    my $own     = fields($text =~ s/^[-0-9:TZ.+ \t]{1,40}+(?=\{)//r);
    my ($level) = grep { defined } @$own{ @{ $format->{level} } } or return;
    my $severity = severity($level =~ /^"/ ? string_of($level) : $level) // return;
    $severity = by_status($own->{status}, $severity) if $format->{kind} eq 'caddy-json';
    return $severity if $severity eq 'QUIET';
    my ($err, $error) = map { fields($_) } @$own{qw(err error)};
    $severity = 'CLIENT' if $severity eq 'ERROR' && grep { ($_ // '') =~ /^"?4\d\d"?$/ } @$err{qw(status statusCode)};
    my ($message) = grep { length } map { string_of($_) } @$own{ @{ $format->{message} } };
    my @details   = ($err->{message}, $own->{err}, $error->{message}, $own->{error});
    my ($detail)  = grep { length } map { string_of($_) } @details;
    return ($severity, join ': ', grep { length } $message // '', $detail // '');
}

sub by_status {    # an HTTP status decides
    my ($status, $severity) = @_;
    return $severity if ($status // '') !~ /^[45]\d\d$/;
    return $status < 500 ? 'CLIENT' : 'ERROR';
}

sub pattern_record {
    my ($format, $text) = @_;
    my @groups = groups_of($format, $text) or return;
    my ($level, $status, $message, $priority) =
        map { $_ ? $groups[$_ - 1] : undef } @{ $format->{number} }{qw(level status message priority)};
    my $severity = $format->{kind} eq 'syslog' ? of_syslog($priority, $message) : 'QUIET';
    $severity = severity($level) // return                    if defined $level;
    $severity = by_status($status, $severity)                 if defined $status;
    $severity = $level eq 'PANIC' ? 'FATAL' : 'ERROR' if $format->{kind} eq 'postgresql' && $severity eq 'FATAL';
    return ($severity, $message // $text);
}

sub of_syslog {    # the priority, else a word: files of syslog have no level
    my ($priority, $message) = @_;
    return $priority % 8 < 3 ? 'FATAL' : $priority % 8 < 4 ? 'ERROR' : 'QUIET' if defined $priority;
    return $message =~ /\b(?:error|fatal|critical|panic|emergency|alert|segfault)\b/i ? 'ERROR' : 'QUIET';
}
