# How large is a folder, and which are its largest files?
#
# Runs on the host as `perl -e` with the arguments FOLDER [ENTRY...]; with entries only those
# are scanned, missing entries are skipped.
# Prints one line of JSON: bytes, files (count), largest [{path relative to the folder, bytes}], at most ten.
# Characters of a path other than letters, digits and - _ . / are printed as question marks. Links are not followed.
# Exit: 0 success, 2 a file cannot be read. Needs only perl-base.
use strict;
use warnings;
use Errno;

my %bytes;

sub fail {
    print STDERR @_, "\n";
    exit 2;
}

sub entries {    # empty if the folder vanished meanwhile
    my ($folder) = @_;
    opendir my $list, $folder or $!{ENOENT} ? return : fail("$folder: $!");
    return map { "$folder/$_" } grep { !/^\.\.?\z/ } readdir $list;
}

sub measure {
    my ($path) = @_;
    lstat $path or $!{ENOENT} ? return : fail("$path: $!");
    return map { measure($_) } entries($path) if -d _;
    $bytes{$path} = -s _ if -f _;
}

sub shown {
    my ($path, $folder) = @_;
    return substr($path, 1 + length $folder) =~ s{[^\w./-]}{?}gar;
}

my ($folder, @names) = @ARGV;
-d $folder or fail("$folder: ", $! || 'no folder');
measure($_) for @names ? map { "$folder/$_" } @names : entries($folder);
my @largest = sort { $bytes{$b} <=> $bytes{$a} || $a cmp $b } keys %bytes;
my ($files, $sum) = (scalar @largest, 0);
$sum += $_ for values %bytes;
splice @largest, 10 if @largest > 10;
printf qq({"bytes":%d,"files":%d,"largest":[%s]}\n), $sum, $files,
    join ',', map { sprintf '{"path":"%s","bytes":%d}', shown($_, $folder), $bytes{$_} } @largest;
