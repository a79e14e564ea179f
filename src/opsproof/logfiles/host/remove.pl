# Removes expired rotated log files, and leftovers of an interrupted action.
#
# Last part of a program: joined behind json_text.pl and writers.pl, and sent to the host as `perl -e` with the
# arguments SECONDS LOG PATH... A file modified within the last SECONDS is kept, and so is a file that a process writes
# to, or that is not surely a rotated file of LOG.
#
# Prints one line of JSON: removed, the number of files. Exit: 0 done, 1 failed. Needs only perl-base.

my ($keep, $log, @paths) = @ARGV;
my %is_rotated = map { $_->[0] => $_->[1] } rotated_beside($log);
my $removed = 0;
for my $path (@paths) {
    my $left = $path =~ /(?:$DATED\.gz\.part|\.log\.new)\z/;
    my $modified = (stat $path)[9] // ($!{ENOENT} ? next : fail("$path: $!"));
    fail("$path is not a rotated file of $log") if !$left && !$is_rotated{$path};
    fail("$path has not expired")  if !$left && time - $modified <= $keep;
    fail("$path is still written to") if writers_of($path);
    unlink $path or $!{ENOENT} or fail("$path: $!");
    ++$removed;
}
print object(removed => $removed), "\n";
