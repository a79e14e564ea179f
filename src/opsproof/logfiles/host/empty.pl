# Truncates current log files; their content is lost. PM2 appends, so that it continues at the new end.
#
# Last part of a program: joined behind json_text.pl, and sent to the host as `perl -e` with the arguments PATH...
# Only these files are truncated: `pm2 flush` would empty the logs of all PM2 processes.
#
# Prints one line of JSON: bytes, the size of the lost content. Exit: 0 done, 1 failed. Needs only perl-base.

my $lost = 0;
for my $path (@ARGV) {
    open my $file, '+<', $path or fail("$path: $!");
    $lost += -s $file;
    truncate $file, 0 or fail("$path: $!");
}
print object(bytes => $lost), "\n";
