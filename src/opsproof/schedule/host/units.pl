# Lists or replaces the units of a host's schedule, in systemd's folder of the system for root, else of the user.
#
# Sent to a host as `perl -e`, with SYSTEM USER NAME and one of
#   list                     prints "FILE LINE" for each line of each unit of the schedule called NAME, then "end"
#   write [FILE CONTENT]...  makes these files the only units of the schedule, and starts their timers
# All new files are written before the first is renamed into place; a removed timer is stopped before its file is
# removed. A unit belongs to the schedule by its first line. Needs only perl-base.
use strict;
use warnings;

my ($system, $user, $name, $mode, %new) = @ARGV;
my $folder = $> ? "$ENV{HOME}/$user" : $system;
my @systemctl = ('systemctl', $> ? '--user' : '--system', '--quiet');
my $head = "# opsproof schedule of $name\n";

sub fail {
    print STDERR @_, "\n";
    exit 1;
}

sub content {
    my ($file) = @_;
    open my $input, '<', "$folder/$file" or return '';
    return join '', readline $input;
}

sub ours {
    opendir my $entries, $folder or return;
    return sort grep { /^opsproof-[^\/]+\.(?:service|timer)$/ && index(content($_), $head) == 0 } readdir $entries;
}

sub list {
    for my $file (ours()) {
        print "$file $_\n" for split /\n/, content($file), -1;
    }
    print "end\n";
}

sub draft {    # a complete file beside its place
    my ($file) = @_;
    open my $output, '>', "$folder/.$file.new" or fail("$folder/.$file.new: $!");
    print {$output} $new{$file} and close $output or fail("$folder/.$file.new: $!");
}

sub run {
    system(@systemctl, @_) == 0 or fail("systemctl @_ failed");
}

sub make_folder {
    my $path = '';
    for my $part (split /\//, $folder) {
        $path .= "$part/";
        mkdir $path or -d $path or fail("$path: $!");
    }
}

sub replace {
    make_folder() if %new;
    my @old = grep { !exists $new{$_} } ours();
    my @changed = grep { content($_) ne $new{$_} } sort keys %new;
    draft($_) for @changed;
    rename "$folder/.$_.new", "$folder/$_" or fail("$folder/$_: $!") for @changed;
    my @stopped = grep { /timer$/ } @old;
    run('disable', '--now', @stopped) if @stopped;
    unlink map { "$folder/$_" } @old;
    run('daemon-reload');
    my @timers = grep { /timer$/ } sort keys %new;
    run('enable', '--now', @timers) if @timers;
    my @restarted = grep { /timer$/ } @changed;
    run('restart', @restarted) if @restarted;
}

$mode eq 'list' ? list() : replace();
