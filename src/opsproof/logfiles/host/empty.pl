# Empties current log files; what they hold is lost. PM2 appends, so that it goes on at the new end.
#
# The last part of one program: it is joined behind json_text.pl, and both are sent to a host as `perl -e` with
# the arguments PATH... Only these are emptied: `pm2 flush` empties the logs of everything that PM2 runs.
#
# Prints one line of JSON: bytes, that were lost. Exit: 0 done, 1 not. Needs only perl-base.

my $lost = 0;
for my $path (@ARGV) {
    open my $file, '+<', $path or fail("$path: $!");
    $lost += -s $file;
    truncate $file, 0 or fail("$path: $!");
}
print object(bytes => $lost), "\n";
