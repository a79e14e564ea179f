# Prints the definitions that differ between an archive and the database restored from the archive.
#
# Arguments: ARCHIVE UNPACK RESTORED SCRATCH LOADED [CLIENT...]
#   UNPACK    zstd or gzip; empty for an uncompressed archive
#   RESTORED  connection string of the restored database
#   SCRATCH   connection string of an empty database: the archive's definitions are loaded there and printed again, so
#             that the server has parsed both sides; empty: the archive's definitions as pg_restore prints them
#   LOADED    1: SCRATCH has the definitions already
#   CLIENT    words in front of pg_dump and pg_restore that run them in a container
# Prints a line of JSON for each difference: [TYPE, NAME, EXPECTED, FOUND], null for a missing definition; then
# ["end", COUNT]. Only the first differences are printed, and long definitions are cut. Needs perl-base.
use strict;
use warnings;

my ($archive, $unpack, $restored, $scratch, $loaded, @client) = @ARGV;
my $MOST = 100;
my $LONGEST = 3_000;    # together below the limit of output
my $HEADER = qr/^--\n-- Name: ([^\n]*); Type: ([^;\n]*); Schema: ([^;\n]*); Owner: ([^\n]*)\n--\n/m;
my $STORED = qr/TABLE|MATERIALIZED VIEW/;
my @PRINT = qw(pg_dump --schema-only --no-password -d);

$ENV{LC_ALL} = 'C';
$SIG{PIPE} = 'IGNORE';
my %expected = definitions(from_archive('--file=-'));
%expected = reloaded(%expected) if $scratch;
my %found = definitions(output_of(undef, @client, @PRINT, $restored));
my @keys = grep { ($expected{$_} // '') ne ($found{$_} // '') } sort keys %{ { %expected, %found } };
my $count = @keys;
for (splice @keys, 0, $MOST) {
    printf "[%s]\n", join ', ', map { quoted($_) } split(/\0/), $expected{$_}, $found{$_};
}
print "[\"end\", $count]\n";

sub stop { print STDERR "$_[0]\n"; exit 1 }

# Subscriptions are not loaded, because a database with a subscription cannot be dropped; nor comments, because older
# releases of pg_restore load those of subscriptions nevertheless.
sub reloaded {
    my %printed = @_;
    my @load = ("--dbname=$scratch", qw(--exit-on-error --no-password --no-subscriptions --no-comments));
    from_archive(@load) if !$loaded;
    my @kept = grep { /\bSUBSCRIPTION\b|\ACOMMENT\0/ } keys %printed;
    return (definitions(output_of(undef, @client, @PRINT, $scratch)), map { $_ => $printed{$_} } @kept);
}

# The output of pg_restore for the definitions in the archive. It reads no further than it needs, which ends the
# decompression early.
sub from_archive {
    my @words = (@client, qw(pg_restore --schema-only), @_);
    open my $content, '<', $archive or stop("$archive: $!");
    return output_of($content, @words) if !$unpack;
    pipe my $from, my $to or stop("pipe: $!");
    start($content, $to, $unpack, qw(-q -d -c));
    close $to;
    return output_of($from, @words);
}

sub start {
    my ($in, $out, @words) = @_;
    my $pid = fork // stop("fork: $!");
    return $pid if $pid;
    $SIG{PIPE} = 'DEFAULT';
    open STDIN, $in ? '<&' : '<', $in // '/dev/null';
    open STDOUT, '>&', $out;
    no warnings 'exec';
    exec { $words[0] } @words;
    print STDERR "$words[0]: $!\n";
    exit 127;
}

sub output_of {
    my ($in, @words) = @_;
    pipe my $from, my $to or stop("pipe: $!");
    my $pid = start($in, $to, @words);
    close $to;
    local $/;
    my $text = <$from> // '';
    waitpid $pid, 0;
    exit 1 if $?;    # the program printed the reason
    return $text;
}

# The definitions in the output of pg_dump, by type and name; settings between definitions depend on their order.
sub definitions {
    my $text = shift;
    # Docker may cut off the end of a long output and still report success.
    $text =~ s/^--\n-- PostgreSQL database dump complete\n--\n.*\z//ms or stop('output of pg_dump was cut short');
    my ($settings, @parts) = split $HEADER, $text;
    my ($method, %found) = ('');
    while (my ($name, $type, $schema, $owner, $definition) = splice @parts, 0, 5) {
        $method = $1 if $settings =~ /.*^SET default_table_access_method = (.*?);/ms;
        ($definition, $settings) = $definition =~ /\A\s*(.*?)\s*((?:SET default_table\w+ = [^\n]*;\s*)*)\z/s;
        next if $type =~ / DATA\z/;
        $definition .= "\n-- Access method: $method" if $type =~ /\A(?:$STORED)\z/;
        $definition .= "\n-- Tablespace: $1" if $owner =~ /; Tablespace: (.*)/;
        push @{ $found{"$type\0$schema.$name"} }, $definition;
    }
    return map { $_ => join "\n", sort @{ $found{$_} } } keys %found;
}

sub quoted {
    my $text = shift // return 'null';
    $text = substr($text, 0, $LONGEST) . '…' if length $text > $LONGEST;
    $text =~ s/([\\"\x00-\x1f])/sprintf '\\u%04x', ord $1/ge;
    return "\"$text\"";
}
