# Which processes does a PM2 daemon run, and which would its saved list resurrect?
#
# Last part of a program: appended to json_text.pl and pm2_daemon.pl, and run on the host as `perl -e` with
# the argument PM2_HOME.
#
# Prints one line of JSON:
#   daemon: null without a running daemon, or version, started_ms (of whole seconds), processes
#     [{name, script, folder, arguments, mode, pid, status, restarts, started_ms, memory_bytes, module, job,
#       exit_code}], where PM2's cron starts a job, which PM2 does not restart at its end;
#   saved: null without a saved list, or [{name, script, folder, arguments, mode}] without modules;
#   tool_version: of the pm2 in the search path.
# Arguments may hold secrets: a number replaces them, equal for equal arguments within one answer.
# Values missing in PM2 are omitted.
# Exit: 0 success, 1 failure, with one line on stderr that never quotes unparsable data.
#
# PM2 encodes strings equally in both lists, so undecoded strings compare. Needs only perl-base.

# ---- lists

my %number;    # by arguments

sub arguments {    # a string equals the list of its words
    my ($raw) = @_;
    my @words = !is_true($raw) ? () : $raw =~ /^\[/ ? parts($raw, '[') : $raw;
    my $text  = join ' ', map { s/^"(.*)"\z/$1/sr } @words;
    my $next  = keys %number;
    return $number{$text} //= $next;
}

sub shape {
    my ($name, $env) = @_;
    my @place = (script => $env->{pm_exec_path}, folder => $env->{pm_cwd});
    return (name => $name, @place, arguments => arguments($env->{args}), mode => $env->{exec_mode});
}

sub running {    # the daemon nests most fields in pm2_env, the saved list has all at the top
    my ($text, $source) = @_;
    my $entry = fields($text, $source);
    my ($env, $monit) = map { fields($_, $source) } @$entry{qw(pm2_env monit)};
    my @counts = (status => $env->{status}, restarts => $env->{restart_time}, started_ms => $env->{pm_uptime});
    my $module = is_true($env->{pmx_module}) ? 'true' : 'false';
    my $job    = is_true($env->{cron_restart}) && !is_true($env->{autorestart} // 'true') ? 'true' : 'false';
    my @now    = (pid => $entry->{pid}, @counts, memory_bytes => $monit->{memory}, module => $module);
    push @now, job => $job, exit_code => $env->{exit_code};
    return object(shape($entry->{name}, $env), @now);
}

sub daemon {
    my $list    = call('getMonitorData') // return 'null';
    my $version = call('getVersion')     // return 'null';
    my $started = (stat 'pm2.pid')[9]    // fail("pm2.pid: $!");
    my $source  = q(the PM2 daemon's list);
    my @running = map { running($_, $source) } parts($list, '[', $source);
    return object(version => $version, started_ms => 1000 * $started, processes => list(@running));
}

sub file {    # empty if the file does not exist
    my ($path) = @_;
    open my $file, '<:raw', $path or $! == $ENOENT ? return : fail("$path: $!");
    local $/;
    return readline($file) // fail("$path: $!");
}

sub saved {
    my $text   = file('dump.pm2') // return 'null';
    my $source = 'the saved list dump.pm2';
    my @saved  = map { fields($_, $source) } parts(checked($text, $source), '[', $source);
    return list(map { object(shape($_->{name}, $_)) } grep { !is_true($_->{pmx_module}) } @saved);
}

sub tool_version {
    my ($path) = grep { -e } map { "$_/pm2" } split /:/, $ENV{PATH};
    fail('pm2 is not in the search path') if !defined $path;
    while (defined(my $link = readlink $path)) {
        $path = $link =~ m{^/} ? $link : $path =~ s{[^/]*\z}{$link}r;
    }
    my $text = file($path =~ s{[^/]*\z}{../package.json}r) // fail("$path is without its package.json");
    return fields(checked($text, 'package.json of pm2'), 'package.json of pm2')->{version};
}

sub main {
    my ($home) = @_;
    -d $home or fail("$home: $!");
    my $version = tool_version();        # before chdir: PATH may hold relative folders
    chdir $home or fail("$home: $!");    # a socket address is limited to 107 characters
    $SIG{PIPE} = 'IGNORE';
    my ($daemon, $saved) = (daemon(), saved());
    print object(daemon => $daemon, saved => $saved, tool_version => $version), "\n";
}

main(@ARGV);
