# Which rotated files does a log have (NAME__YYYY-MM-DD_HH-mm-ss.log and .log.gz), and how far back do they reach?
#
# Second part of a program: appended to log_files.pl, and run on the host as `perl -e` with the argument
# PATH of the current file.
#
# Prints one line of JSON, times in seconds since 1970:
#   now; current: null without a current file, or {bytes, oldest: first dated line, or null};
#   rotated: [{date, ending, bytes, modified, packed: gzip by its first bytes}], oldest first;
#   oldest: first dated line of the rotated files, or null.
# Exit: 0 success, 2 a file cannot be read, 3 gzip is missing or fails. Needs only perl-base.

sub is_packed {
    my ($path) = @_;
    open my $file, '<:raw', $path or return;
    my $head = '';
    sysread $file, $head, 2;
    return $head eq "\x1f\x8b";
}

sub rotated {    # skips files that vanish meanwhile
    my ($path) = @_;
    my ($folder, $name) = $path =~ m{^(.*/)?([^/]*?)(?:\.log)?$}s;
    opendir my $list, $folder // '.' or fail(2, $path, $!);
    my @found;
    for (sort readdir $list) {
        my ($date, $ending) = /^\Q$name\E__(\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d)(\.log(?:\.gz)?)\z/ or next;
        fail(2, $_, 'is no file') if -e(($folder // '') . $_) && !-f _;    # reading a FIFO would wait for ever
        my ($bytes, $modified) = (stat _)[7, 9];
        defined(my $packed = is_packed(($folder // '') . $_)) or $!{ENOENT} ? next : fail(2, $_, $!);
        push @found, sprintf '{"date":"%s","ending":"%s","bytes":%d,"modified":%d,"packed":%s}', $date, $ending,
            $bytes, $modified, $packed ? 'true' : 'false';
    }
    return join ',', @found;
}

sub current {
    my ($path) = @_;
    my $file = open_log($path) or $!{ENOENT} ? return 'null' : fail(2, $path, $!);
    return sprintf '{"bytes":%d,"oldest":%s}', $file->{size}, oldest_time($path) // 'null';
}

my ($path) = @ARGV;
printf qq({"now":%d,"current":%s,"rotated":[%s],"oldest":%s}\n), time, current($path), rotated($path),
    oldest_time(rotated_paths($path)) // 'null';
