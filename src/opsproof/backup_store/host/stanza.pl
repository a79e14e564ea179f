# Which backups and WAL segments does a pgBackRest repository hold for a stanza? Changes nothing.
#
# Arguments: STANZA FOLDER WORDS...
#   FOLDER  directory of the repository, for the free disk space; empty if the repository is on another host
#   WORDS   pgbackrest with the options for stanza and repository, after sudo if needed
# Prints these lines:
#   free BYTES                            free space for unprivileged users
#   folder NAME                           each backup directory, complete or not
#   wal ID START FIRST LAST TIME          consecutive segments: archive id, first 16 digits of the names, last 8 digits
#                                         of the first and the last name, arrival time of the newest segment;
#                                         runs keep the output short for a large archive
#   info JSON                             output of pgbackrest info
#   end
# Directories are read before the backup list: a backup completed in between is in both. Needs perl-base, coreutils.
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
    close $from or exit($? >> 8 || 1);    # the reason is on stderr already
    return $text;
}

# The entries of a repository directory by pgbackrest repo-ls: properties by name.
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
