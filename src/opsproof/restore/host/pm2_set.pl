# Stops or starts PM2 processes over the socket of the PM2 daemon, and never starts a daemon.
#
# Appended to json_text.pl and pm2_daemon.pl, and sent to the host as `perl -e` with the arguments PM2_HOME, stop or
# start, and process names. All processes are stopped or started in parallel.
# Exit status: 0 if all are stopped or online; 1 if not, or without a daemon. Needs perl-base.

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

sub ask {    # in a child process
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
