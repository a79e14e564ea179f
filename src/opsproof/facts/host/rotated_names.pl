# Which names in a folder are those of a log's rotated files?
#
# First part of several programs, for facts and for actions: one list of names, whoever rotates. Pragmas and variables
# of this file apply to the other parts. Needs only perl-base.
use strict;
use warnings;

my %UNPACKER = (gz => 'gzip', Z => 'gzip', zip => 'gzip', bz2 => 'bzip2', xz => 'xz', zst => 'zstd', lz4 => 'lz4');
my $PACKED   = qr/\.(?:gz|Z|zip|bz2|xz|zst|lz4)/;
my $STAMP    = qr/\d{4}-?\d\d(?:[-_T.:]?\d\d){0,5}(?:[-.]\d+)?/;
my $DATED_BY = qr/__\d+[-_T:]\d|(?:__|[-_.])2\d{3}-?(?:0[1-9]|1[0-2])(?!\d{5})/;

# Each rotated name with its end behind the stem, oldest first: a date or number before the log's ending
# (pm2-logrotate, cronolog) or at the end of the name (logrotate, Python). A higher number is older. The third value
# tells whether the file is surely of this log: app.8080.log and app-123456.log may be logs of their own.
sub rotated_among {
    my ($path, @names)  = @_;
    my ($name)          = $path =~ m{([^/]*)\z}s;
    my ($stem, $ending) = $name =~ /^(.+?)(\.[a-z]\w*)?\z/si;
    $ending //= '';
    my $mark = qr/__\d[-\d_T:.]*|[-_.]$STAMP/;
    my $rest = qr/(?|($mark|\.\d{1,4})\Q$ending\E|\Q$ending\E($mark|\.\d{1,4}))(?:$PACKED)?/;
    my (%key, %is_sure);
    for (@names) {
        my ($found) = /^\Q$stem\E$rest\z/ or next;
        $key{$_}     = join ' ', map { sprintf '%010d', $_ } $found =~ /\d+/g;
        $key{$_}     = sprintf '~%05d', 99999 - $1 if $found =~ /^\.(\d{1,4})\z/;
        $is_sure{$_} = /^\Q$name\E(?!\.\d{4})/ || $found =~ /^$DATED_BY/;
    }
    return map { [$_, substr($_, length $stem), $is_sure{$_}] } sort { $key{$a} cmp $key{$b} || $a cmp $b } keys %key;
}
