# Which rotated files does a log have, and how far back do they reach?
#
# Last part of a program: appended to log_files.pl and log_formats.pl, and run on the host as `perl -e` with the
# arguments PATH of the current file, FORMATS of log_formats.pl.
#
# Prints one line of JSON, times in seconds since 1970:
#   now; current: null without a current file, or {bytes, oldest: first dated line, or null};
#   rotated: [{ending: of the name, bytes, modified, packed: by its first bytes}], oldest first;
#   oldest: first dated line of the rotated files, or null.
# Exit: 0 success, 2 a file cannot be read, 3 gzip, bzip2, xz, zstd or lz4 is missing. Needs only perl-base.

sub is_packed {
    my ($path) = @_;
    open my $file, '<:raw', $path or return;
    my $head = '';
    sysread $file, $head, 6;
    return $head =~ /^(?:\x1f[\x8b\x9d]|BZh|PK\x03\x04|\xfd7zXZ\0|\x28\xb5\x2f\xfd|\x04\x22\x4d\x18)/;
}

sub rotated {    # skips files that vanish meanwhile
    my ($path) = @_;
    my $folder = $path =~ m{^(.*/)}s ? $1 : './';
    my @found;
    for (rotated_names($path)) {
        my ($name,  $ending)   = @$_;
        my ($bytes, $modified) = (stat $folder . $name)[7, 9];
        defined(my $packed = is_packed($folder . $name)) or $!{ENOENT} ? next : fail(2, $name, $!);
        push @found, sprintf '{"ending":"%s","bytes":%d,"modified":%d,"packed":%s}', $ending, $bytes, $modified,
            $packed ? 'true' : 'false';
    }
    return join ',', @found;
}

sub current {
    my ($path) = @_;
    my $file = open_log($path) or $!{ENOENT} ? return 'null' : fail(2, $path, $!);
    return sprintf '{"bytes":%d,"oldest":%s}', $file->{size}, oldest_time($path) // 'null';
}

my ($path, @formats) = @ARGV;
configure(@formats);
printf qq({"now":%d,"current":%s,"rotated":[%s],"oldest":%s}\n), time, current($path), rotated($path),
    oldest_time(rotated_paths($path)) // 'null';
