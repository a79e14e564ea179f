# Feeds a file to a program by its standard input, unpacked on the way, so that every exit status counts.
#
# Arguments: FILE UNPACK COMMAND...
#   UNPACK   zstd or gzip, or empty where the file is as it should be
# Ends with the status of COMMAND, or with 1 where the file could not be unpacked. Needs only perl-base.
use strict;
use warnings;

my ($file, $unpack, @command) = @ARGV;
my @running;

open my $content, '<', $file or stop("$file: $!");
if ($unpack) {
    pipe my $in, my $out or stop("pipe: $!");
    push @running, start($content, $out, $unpack, '-q', '-d', '-c');
    close $out;
    $content = $in;
}
push @running, start($content, undef, @command);
close $content;
my ($status) = grep { $_ } map { ended($_) } reverse @running;
exit($status // 0);

sub stop { print STDERR "$_[0]\n"; exit 1 }

sub start {
    my ($in, $out, @words) = @_;
    my $pid = fork // stop("fork: $!");
    return $pid if $pid;
    open STDIN, '<&', $in;
    open STDOUT, '>&', $out if $out;
    no warnings 'exec';
    exec { $words[0] } @words;
    print STDERR "$words[0]: $!\n";
    exit 127;
}

sub ended {
    waitpid $_[0], 0;
    return $? >> 8 || ($? ? 1 : 0);
}
