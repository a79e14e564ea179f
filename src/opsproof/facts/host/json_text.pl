# Which values does a JSON text contain, without decoding them?
#
# First part of several programs: pm2_list.pl and others are appended, and run on the host as `perl -e`.
# Pragmas and variables of this file apply to the other parts.
#
# The whole grammar is checked, to any depth. Values stay JSON text, for comparison and printing. Needs only perl-base.
use strict;
use warnings;

sub fail {
    print STDERR @_, "\n";
    exit 1;
}

# ---- grammar; Perl limits repetitions of a group, so groups are nested

my $SPACE  = qr/[ \t\r\n]*+/;
my $PLAIN  = qr/[^"\\\x00-\x1f]*+/;
my $ESCAPE = qr/\\(?:["\\\/bfnrt]|u[0-9a-fA-F]{4})/;
my $STRING = qr/"$PLAIN(?:"|(?:(?:$ESCAPE$PLAIN){1,9999}+)++")/;
my $NUMBER = qr/-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][-+]?[0-9]++)?+/;
my $KEY    = qr/$SPACE$STRING$SPACE:/;
my $VALUE  = qr/$SPACE(?:$STRING|$NUMBER|true|false|null)/;
my $START  = qr/$VALUE|$SPACE\[|$SPACE\{/;

my %DUE = (    # by enclosing bracket: up to the end of the last value, or to a nested bracket
    ''  => qr/\G(?:$START)/,
    '[' => qr/\G(?:(?:$VALUE$SPACE,){1,9999}+)*+(?:$START)/,
    '{' => qr/\G(?:(?:$KEY$VALUE$SPACE,){1,9999}+)*+$KEY(?:$START)/,
);
my %PAIR = ('[' => ']', '{' => '}');
my $END  = qr/\G$SPACE[]}]/;    # both: a search for a single bracket would run to the end of the text

# Keys read from PM2's lists; other scalar values are skipped at once.
my $WANTED = qr/"(?:args|error|version|name|pid|pm2_env|monit|memory|status|restart_time
    |exec_mode|autorestart|cron_restart|exit_code|pm_(?:exec_path|cwd|uptime|id)|pmx_module)"/x;
my $OTHERS = qr/\G(?:(?:$SPACE(?!$WANTED)$KEY$VALUE$SPACE,){1,9999}+)++/;

# ---- reading

sub skip_value {    # false without a value
    my ($json, @open) = ($_[0], '');
    while ($$json =~ /$DUE{$open[-1]}/gc) {
        my $last = substr $$json, pos($$json) - 1, 1;
        push @open, $last if $PAIR{$last};
        next if $PAIR{$last} && $$json !~ /$END/;
        while (@open > 1 && $$json =~ /$END/gc) {
            return 0 if $PAIR{ pop @open } ne substr $$json, pos($$json) - 1, 1;
        }
        return 1 if @open == 1;
        $$json =~ /\G$SPACE,/gc or return 0;
    }
    return 0;
}

sub checked {
    my ($text, $source) = @_;
    return $text if skip_value(\$text) && $text =~ /\G$SPACE\z/;
    fail("$source is not JSON");
}

sub next_value {    # expects checked text, like all functions below
    my ($json) = @_;
    $$json =~ /\G$SPACE/gc;
    my $from = pos $$json;
    skip_value($json);
    return substr $$json, $from, pos($$json) - $from;
}

sub parts {    # values of a list, or keys and values of an object in turn, without unwanted scalars
    my ($text, $bracket, $source) = @_;
    ($text // '') =~ /^$SPACE\Q$bracket\E/ or fail("$source has an unknown format");
    pos($text) = $+[0];
    my @parts;
    until ($text =~ /$END/gc) {
        next if $text =~ /$OTHERS/gc;
        push @parts, next_value(\$text);
        $text =~ /\G$SPACE[,:]/gc;
    }
    return @parts;
}

sub fields {
    my ($text, $source) = @_;
    my %value = parts($text, '{', $source);
    return { map { substr($_, 1, -1) => $value{$_} } keys %value };
}

# ---- writing

sub object {    # from alternating names and values
    my @pairs;
    while (my ($name, $value) = splice @_, 0, 2) {
        push @pairs, qq("$name":$value) if defined $value;
    }
    return '{' . join(',', @pairs) . '}';
}

sub list { return '[' . join(',', @_) . ']' }

sub is_true { return ($_[0] // 'null') !~ /^(?:null|false|0|"")\z/ }
