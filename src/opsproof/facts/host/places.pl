# Where do paths lead, with all symbolic links followed?
#
# Arguments: PATH...
# Prints a line for each path, with names in hexadecimal:
#   place PATH REAL   the place
#   closed PATH       the login may not look
#   gone PATH         the path does not exist
#   end
# Needs perl-base.
use strict;
use warnings;
use Cwd 'realpath';
use Errno qw(EACCES);

for my $path (@ARGV) {
    my $name = unpack 'H*', $path;
    my $is_there = lstat $path;
    my $is_closed = !$is_there && $! == EACCES;
    my $real = $is_there && stat $path ? realpath($path) : undef;
    $is_closed ||= $is_there && !defined $real && $! == EACCES;
    print defined $real ? "place $name " . unpack('H*', $real) : $is_closed ? "closed $name" : "gone $name", "\n";
}
print "end\n";
