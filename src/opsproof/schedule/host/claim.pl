# Shows, takes or drops the claim: a file on the host with the name of the machine that runs the host's schedule.
#
# Sent to a host as `perl -e`, with FILE and one of
#   show       prints "by WHO", or "none"
#   take WHO   as show, after the claim of WHO was made unless there is another
#   over WHO   as show, after the claim of WHO took the place of any other
#   drop WHO   as show, after the claim of WHO was removed
# A complete file is linked or renamed into place, so that of two machines one gets the claim. Needs only perl-base.
use strict;
use warnings;
use Errno;

my ($file, $mode, $who) = @ARGV;

sub fail {
    print STDERR "$file: $!\n";
    exit 1;
}

sub holder {
    open my $input, '<', $file or $!{ENOENT} ? return : fail();
    my $line = readline $input;
    defined $line or fail();    # a directory, or an empty file
    chomp $line;
    return $line =~ s/[^\x20-\x7e]/?/gr;
}

sub claim {
    my ($place) = @_;
    my $draft = "$file.$$";
    open my $output, '>', $draft or fail();
    print {$output} "$who\n" and close $output or fail();
    $place->($draft) or $!{EEXIST} or fail();
    unlink $draft;
}

claim(sub { link $_[0], $file }) if $mode eq 'take';
claim(sub { rename $_[0], $file }) if $mode eq 'over';
unlink $file if $mode eq 'drop' && (holder() // '') eq $who;
my $now = holder();
print defined $now ? "by $now\n" : "none\n";
