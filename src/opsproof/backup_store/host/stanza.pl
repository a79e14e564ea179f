# Tells what pgBackRest has in one repository of a stanza, without a list as long as the archive. It changes nothing.
#
# Arguments: STANZA FOLDER WORDS...
#   FOLDER  that holds the repository, for the room on its disk; empty where it is not on this host
#   WORDS   pgbackrest with its options for the stanza and the repository, and what leads to its user
# Prints a line for each of
#   free BYTES                            that users may take of the file system
#   folder NAME                           each backup that lies there, whole or not
#   wal ID START FIRST LAST TIME          segments that follow one another: the archive's id, the first 16 digits of
#                                         their names, the last 8 of the first and the last one, when the newest came
#   info JSON                             what pgbackrest info says
#   end
# The folders are read before the list of backups is: what is whole meanwhile is in both. Needs perl-base, coreutils.
use strict;
use warnings;

my ($stanza, $folder, @pgbackrest) = @ARGV;

$ENV{LC_ALL} = 'C';
if (length $folder) {
    my ($free) = output_of(qw(df --block-size=1 --output=avail --), $folder) =~ /\n\s*(\d+)/ or leave('df: no size');
    print "free $free\n";
}
my %backups = entries("backup/$stanza");
print map { "folder $_\n" } grep { /\A\d{8}-\d{6}F/ } sort keys %backups;
runs(entries("archive/$stanza", '--recurse'));
print 'info ', output_of(@pgbackrest, qw(--output json info)) =~ s/\s*\z//r, "\n";
print "end\n";

sub leave {
    print STDERR "$_[0]\n";
    exit 1;
}

sub output_of {
    open my $from, '-|', @_ or leave("$_[0]: $!");
    local $/;
    my $text = <$from> // '';
    close $from or exit($? >> 8 || 1);    # it has said why
    return $text;
}

# What pgbackrest lists of a folder of the repository: its properties by the name of each entry.
sub entries {
    my ($path, @options) = @_;
    my $json = output_of(@pgbackrest, '--output', 'json', @options, 'repo-ls', $path);
    leave("$pgbackrest[-1] lists $path with: " . substr $json, 0, 100) if $json !~ /\A\s*\{.*\}\s*\z/s;
    return $json =~ /"((?:[^"\\]|\\.)*)":\{([^{}]*)\}/g;
}

sub runs {
    my %entry = @_;
    my $run;
    for (sort grep { m{\A[^/]+/[0-9A-F]{16}/[0-9A-F]{24}-[0-9a-f]{40}(?:\.\w+)?\z} } keys %entry) {
        my ($id, $start, $low) = m{\A([^/]+)/[0-9A-F]{16}/([0-9A-F]{16})([0-9A-F]{8})};
        my ($time) = $entry{$_} =~ /"time":(\d+)/ or leave("no time of $_");
        if ($run && $run->[0] eq $id && $run->[1] eq $start && hex($low) <= hex($run->[3]) + 1) {
            @$run[3, 4] = ($low, $time > $run->[4] ? $time : $run->[4]);
            next;
        }
        print join(' ', 'wal', @$run), "\n" if $run;
        $run = [$id, $start, $low, $low, $time];
    }
    print join(' ', 'wal', @$run), "\n" if $run;
}
