# Stops or starts processes that a PM2 daemon keeps, by its own socket: it never starts a daemon.
#
# The last part of one program: it is joined behind json_text.pl and pm2_daemon.pl, and all are sent to a host as
# `perl -e` with the arguments PM2_HOME, stop or start, and the processes' names. All are asked at the same time.
# Exit: 0 all of them are stopped, or online; 1 not, or no daemon runs. Needs only perl-base.

my %METHOD = (stop => 'stopProcessId', start => 'startProcessId');
my %WANTED = (stop => qr/^stopped$/, start => qr/^(?:online|launching)$/);

sub known {    # [name, id, status] of every process
    my $list = call('getMonitorData') // fail('no PM2 daemon runs');
    my @known;
    for my $text (parts($list, '[', q(the PM2 daemon's list))) {
        my $entry = fields($text, q(the PM2 daemon's list));
        my $env   = fields($entry->{pm2_env}, q(the PM2 daemon's list));
        push @known, [map { s/^"(.*)"\z/$1/r } $entry->{name}, $env->{pm_id}, $env->{status}];
    }
    return @known;
}

sub ask {    # in a process of its own
    my ($method, $id) = @_;
    my $pid = fork // fail("fork: $!");
    return $pid if $pid;
    call($method, $id);
    exit 0;
}

sub main {
    my ($home, $verb, @names) = @_;
    chdir $home or fail("$home: $!");
    $SIG{PIPE} = 'IGNORE';
    my %wanted = map { $_ => 1 } @names;
    my $other  = sub { grep { $wanted{ $_->[0] } && $_->[2] !~ $WANTED{$verb} } known() };
    my @asked  = map { ask($METHOD{$verb}, $_->[1]) } $other->();
    waitpid $_, 0 for @asked;
    my @left = map { "$_->[0] is $_->[2]" } $other->();
    fail(join ', ', @left) if @left;
}

main(@ARGV);
