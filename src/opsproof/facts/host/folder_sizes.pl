# How large a folder is, and its largest files. Sent to a host as `perl -e` with the arguments FOLDER [ENTRY...];
# with entries, they alone are looked at, where they are there.
#
# Prints one line of JSON: bytes, files (how many), largest [{path from the folder, bytes}], ten at most.
# What is in a path besides letters, digits and - _ . / is shown as a question mark. Links are not followed.
# Exit: 0 answered, 2 something cannot be read. Needs only perl-base.
use strict;
use warnings;
use Errno;

my %bytes;

sub fail {
    print STDERR @_, "\n";
    exit 2;
}

sub entries {    # nothing where the folder vanished meanwhile
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
