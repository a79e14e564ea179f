# Compares the checksum of a file, and pipes the file, decompressed if needed, to a command, in a single read.
#
# Arguments: FILE SHA256 UNPACK TOKEN [COMMAND...]
#   SHA256   the expected checksum; empty to skip the comparison
#   UNPACK   zstd or gzip; empty for an uncompressed file
#   TOKEN    sent after the content if checksum and decompression are good: COMMAND must not use the content before
# Exit status: that of COMMAND, or 1 for a checksum mismatch or a failed decompression. Needs perl-base, and openssl or
# sha256sum.
use strict;
use warnings;

my ($file, $sha256, $unpack, $token, @command) = @ARGV;
my $BLOCK = 2**18;
my $F_SETPIPE_SZ = 1031;    # Linux only
my ($eater, $unpacker);

$SIG{PIPE} = 'IGNORE';
open my $content, '<', $file or stop("$file: $!");
my ($to_sum, $sum) = $sha256 ? summing() : ();
my ($to_unpack, $to_eat) = @command ? eating() : ();
pour(grep { defined } $to_sum, $unpack ? $to_unpack : $to_eat);
close $_ for grep { defined } $to_sum, $to_unpack;
my $same = !$sha256 || summed() eq $sha256;
my $failed = ended($unpacker);
written($to_eat, $token) if @command && $same && !$failed;
close $to_eat if @command;
my $status = ended($eater);
stop("$file: checksum mismatch, the file changed since the backup was made") if !$same;
exit($status || $failed);

sub stop { print STDERR "$_[0]\n"; exit 1 }

# A pipe with a large buffer.
sub tube {
    pipe my $from, my $to or stop("pipe: $!");
    fcntl $to, $F_SETPIPE_SZ, 2**20;    # fewer context switches; optional
    return ($from, $to);
}

sub summing {
    my ($in, $to) = tube();
    my ($from, $out) = tube();
    start($in, $out, [qw(openssl dgst -sha256 -r)], ['sha256sum']);
    return ($to, $from);
}

sub summed {
    my ($found) = (readline($sum) // '') =~ /^\\?([0-9a-f]{64}) / or stop("$file: no checksum");
    return $found;
}

sub eating {
    my ($in, $to_eat) = tube();
    $eater = start($in, undef, [@command]);
    return (undef, $to_eat) if !$unpack;
    my ($packed, $to_unpack) = tube();
    $unpacker = start($packed, $to_eat, [$unpack, qw(-q -d -c)]);
    return ($to_unpack, $to_eat);
}

# Starts the first available program.
sub start {
    my ($in, $out, @programs) = @_;
    my $pid = fork // stop("fork: $!");
    return $pid if $pid;
    $SIG{PIPE} = 'DEFAULT';
    open STDIN, '<&', $in;
    open STDOUT, '>&', $out if $out;
    no warnings 'exec';
    exec { $_->[0] } @$_ for @programs;
    print STDERR "$programs[-1][0]: $!\n";
    exit 127;
}

# Writes the whole file to every sink; a sink that fails is dropped, as the exit status of the program tells.
sub pour {
    my @sinks = @_;
    while (@sinks) {
        my $got = sysread($content, my $block, $BLOCK) // stop("$file: $!");
        last if !$got;
        @sinks = grep { written($_, $block) } @sinks;
    }
}

sub written {
    my ($to, $text) = @_;
    my $done = 0;
    while ($done < length $text) { $done += syswrite($to, $text, 2**20, $done) // return 0 }
    return 1;
}

sub ended {
    my $pid = shift // return 0;
    waitpid $pid, 0;
    return $? >> 8 || ($? ? 1 : 0);
}
