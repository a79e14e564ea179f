# Does a Redis server answer, and which figures does INFO report?
#
# Runs on the host as `perl -e` with the arguments ADDRESS PORT SECONDS NETRC. NETRC is a netrc file
# with the password for ADDRESS, or empty without a password. Sends AUTH, PING and INFO: the user
# needs only the rights +ping +info.
#
# Prints lines of name:value, either a single line
#   silence: why the server does not answer;
# or time, the server's clock in seconds since 1970, and all reported @FIELDS.
# Exit: 0 success, 1 failure, with one line on stderr. Prints no other data of server or file, which
# may contain the password. Needs only perl-base.
use strict;
use warnings;
use Socket qw(getaddrinfo SOCK_STREAM);

my @FIELDS = qw(uptime_in_seconds used_memory maxmemory maxmemory_policy rdb_changes_since_last_save
    rdb_last_save_time rdb_last_bgsave_status aof_enabled aof_last_write_status
    aof_last_bgrewrite_status rejected_connections evicted_keys);
my $LIMIT = 1 << 20;    # bytes of an answer; INFO has about 6,000

# Messages by first word of an error: of the server, or of opsproof's own login.
my %SILENCE = (
    LOADING    => 'loading its data',
    BUSY       => 'busy with a script',
    MASTERDOWN => 'replica without a master',
    DENIED     => 'in protected mode',
);
my %LOGIN_ERROR = (
    NOAUTH    => 'the server requires a password',
    WRONGPASS => 'the server refuses the login',
    NOPERM    => 'the user lacks the rights +ping +info',
);

my ($socket, $received);

sub fail {
    print STDERR @_, "\n";
    exit 1;
}

sub silent {
    print "silence:@_\n";
    exit 0;
}

# ---- the login

sub words {    # of a netrc file; quoted words may contain spaces
    my ($path) = @_;
    open my $file, '<', $path or fail("$path: $!");
    local $/;
    my $text = readline($file) // fail("$path: $!");
    $text =~ s/^[ \t]*#.*//mg;
    my @words;
    push @words, defined $1 ? $1 =~ s/\\(.)/$1/gsr : $2 while $text =~ /"((?:[^"\\]|\\.)*)"|(\S+)/gs;
    return @words;
}

sub login {    # arguments of AUTH: name and password, or password
    my ($path, $machine) = @_;
    my ($here, %login, @words) = (0);
    @words = words($path);
    while (defined(my $word = shift @words)) {
        if ($word eq 'machine' || $word eq 'default') {
            last if $here;
            $here = $word eq 'default' || (shift(@words) // '') eq $machine;
        }
        elsif ($word eq 'login' || $word eq 'password') {
            my $value = shift @words;
            $login{$word} = $value if $here;
        }
    }
    defined $login{password} or fail("$path holds no password for $machine");
    return grep { defined } @login{qw(login password)};
}

# ---- the protocol: https://redis.io/docs/latest/develop/reference/protocol-spec/

sub reach {
    my ($address, $port) = @_;
    my ($error, @places) = getaddrinfo($address, $port, { socktype => SOCK_STREAM });
    silent('host name cannot be resolved') if $error;
    for my $place (@places) {
        socket $socket, $place->{family}, $place->{socktype}, $place->{protocol} or next;
        return if connect $socket, $place->{addr};
    }
    silent(lc $!);
}

sub receive {
    length $received < $LIMIT or fail('the answer is too long');
    sysread $socket, $received, 1 << 16, length $received or silent('connection closed without an answer');
}

sub ask {    # returns a line, or the text of a bulk string
    my @words = @_;
    $received = '';
    syswrite $socket, join '', '*' . @words . "\r\n", map { '$' . length() . "\r\n$_\r\n" } @words;
    receive() until $received =~ /\r\n/;
    my ($line, $size) = $received =~ /^((?:\$(\d+)|.*?))\r\n/s;
    judge($line) if $line =~ /^-/;
    return $line if !defined $size;
    my $from = length "$line\r\n";
    receive() until length $received >= $from + $size + 2;
    return '$' . substr $received, $from, $size;
}

sub judge {
    my ($error) = @_;
    silent('all connections are in use') if $error =~ /^-ERR max number of clients/;
    my ($word) = $error =~ /^-([A-Z]+)/;
    return if ($word // '') eq 'MISCONF';    # Redis answers, but refuses writes after a failed save
    silent($SILENCE{$word}) if defined $word && $SILENCE{$word};
    fail($LOGIN_ERROR{ $word // '' } // 'the server answers with an error');
}

sub expect {
    my ($wanted, @command) = @_;
    my $answer = ask(@command);
    $answer =~ $wanted or fail('not a Redis server');
    return $answer;
}

sub main {
    my ($address, $port, $seconds, $netrc) = @_;
    my $limit = int($seconds + 0.999);
    my @login = $netrc eq '' ? () : login($netrc, $address);
    $SIG{PIPE} = 'IGNORE';
    $SIG{ALRM} = sub { silent("no answer within $limit s") };
    alarm $limit;
    reach($address, $port);
    expect(qr/^\+OK\z/, 'AUTH', @login) if @login;
    expect(qr/^(?:\+PONG|-MISCONF)/, 'PING');
    my ($time, %info);
    do {    # within one second of the host's clock: an old Redis does not report its own
        $time = time;
        %info = expect(qr/^\$#/, 'INFO') =~ /^(\w+):([\w.-]{1,40})\r?$/mg;
    } until time == $time;
    $time = $1 if ($info{server_time_usec} // '') =~ /^(\d+)\d{6}\z/;
    print "time:$time\n", map { "$_:$info{$_}\n" } grep { defined $info{$_} } @FIELDS;
}

main(@ARGV);
