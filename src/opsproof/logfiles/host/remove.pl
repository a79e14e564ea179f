# Removes rotated files that are past their time, and what an interrupted action left.
#
# The last part of one program: it is joined behind json_text.pl and writers.pl, and all are sent to a host
# as `perl -e` with the arguments SECONDS PATH... A file that was written within the last SECONDS stays,
# and so does one that somebody writes to, or that is no rotated file by its name.
#
# Prints one line of JSON: removed, how many. Exit: 0 done, 1 not. Needs only perl-base.

my ($keep, @paths) = @ARGV;
my $removed = 0;
for my $path (@paths) {
    my $left = $path =~ /(?:$DATED\.gz\.part|\.log\.new)\z/;
    fail("$path is no rotated file") if !$left && $path !~ /$DATED(?:\.gz)?\z/;
    my $modified = (stat $path)[9] // ($!{ENOENT} ? next : fail("$path: $!"));
    fail("$path is not past its time")  if !$left && time - $modified <= $keep;
    fail("$path is still written to") if writers_of($path);
    unlink $path or $!{ENOENT} or fail("$path: $!");
    ++$removed;
}
print object(removed => $removed), "\n";
