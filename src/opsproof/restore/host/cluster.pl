# Reads, starts, swaps and removes the data directories of a cluster, as their owner.
#
# Sent to the host as `perl -e`, with a verb and arguments:
#   look LIVE PREFIX PROGRAMS         prints the state, see below; without PROGRAMS, Debian's folder is used
#   serve DIR PROGRAMS NAME=VALUE...  starts a private server on a restored directory, without archiving, replication
#                                     and preloaded libraries; the server's own files are in DIR.server
#   standby DIR                       makes that server a standby: replays more WAL instead of ending recovery
#   status DIR                        prints the status of that server, see below
#   close DIR                         stops the server cleanly, removes DIR.server, queues new timelines for archiving
#   remove DIR                        stops the server immediately, and removes all directories
#   mark DIR TEXT                     writes the progress mark of DIR; an empty TEXT removes the mark
#   rename FROM TO                    renames if FROM exists; fails if TO exists
#   swap LIVE FRESH ASIDE             renames LIVE, if present, to ASIDE, and FRESH to LIVE
#   down LIVE                         succeeds if no server runs on LIVE
#   up LIVE SECONDS                   waits until a server on LIVE accepts connections and has ended recovery
#   detached WORDS...                 runs a command that may leave a server behind; only reports a failure
#   run WORDS...                      executes a command
# `look` prints these lines:
#   live STATE                        none (no directory), down, or the state in postmaster.pid
#   tablespaces NUMBER                of LIVE
#   control: LINE                     each line of pg_controldata for LIVE
#   mark TEXT                         of LIVE
#   beside KIND STATE BYTES PATH      KIND is drill, restoring or before; BYTES is 0 unless KIND is before
#   marked PATH TEXT                  the mark of PATH
#   free BYTES, scratch BYTES         available beside LIVE, and at PREFIX
#   end
# `status` prints the state, then the last error line of the server's log. Needs perl-base, coreutils and the server's
# programs.
use strict;
use warnings;
use Config;
use Errno;
use IO::Handle;
use POSIX ();

my $KIND = qr/_(drill|restoring|before)_\d{8}T\d{6}Z/;
my $MARK = 'opsproof.mark';
my ($AT_FDCWD, $EXCHANGE) = (-100, 2);
my %RENAMEAT2 = (x86_64 => 316, aarch64 => 276);
my $PORT = 5432;

umask 077;
$ENV{LC_ALL} = 'C';
my $verb = shift @ARGV;
my %verbs = (
    look => \&look, serve => \&serve, standby => \&standby, status => \&status, close => \&close_server,
    remove => \&remove, mark => \&mark, rename => \&rename_once, swap => \&swap, down => \&down, up => \&up,
    detached => \&detached, run => \&run,
);
$verbs{$verb}->(@ARGV);

sub fail {
    print STDERR "$_[0]\n";
    exit 1;
}

sub content_of {
    open my $file, '<', shift or return;
    local $/;
    return <$file>;
}

sub output_of {
    open my $from, '-|', @_ or fail("$_[0]: $!");
    my @lines = <$from>;
    close $from or exit($? >> 8 || 1);    # the program printed the reason
    return @lines;
}

# The processes of a server on a directory, by their working directory, which only the owner can read.
sub processes_in {
    my ($device, $inode, $owner) = (stat shift)[0, 1, 4] or return;
    fail(sprintf '%s owns the data directory: set run_as', (getpwuid $owner)[0] // $owner) if $owner != $>;
    my @found;
    for my $process (map { m{(\d+)\z} } glob '/proc/[0-9]*') {
        my ($its_device, $its_inode) = (stat "/proc/$process/cwd")[0, 1] or next;
        next unless $its_device == $device && $its_inode == $inode;
        push @found, $process if (readlink "/proc/$process/exe" // '') =~ m{postgres(?: \(deleted\))?\z};
    }
    return @found;
}

# The state in postmaster.pid, or "down" or "none": https://www.postgresql.org/docs/current/storage-file-layout.html
sub state_of {
    my $dir = shift;
    return 'none' unless -d $dir;
    my @lines = split /\n/, content_of("$dir/postmaster.pid") // '';
    return 'down' unless @lines && grep { $_ eq $lines[0] } processes_in($dir);
    my ($state) = ($lines[7] // 'starting') =~ /(\w+)/;
    return $state // 'starting';
}

sub free_at {
    my $path = shift;
    my ($bytes) = (output_of(qw(df --block-size=1 --output=avail --), $path))[1] =~ /(\d+)/ or fail("df: no size of $path");
    return $bytes;
}

sub parent_of { return $_[0] =~ s{/[^/]+\z}{}r || '/' }

sub look {
    my ($live, $prefix, $programs) = @_;
    my $state = state_of($live);
    print "live $state\n";
    if ($state ne 'none') {
        printf "tablespaces %d\n", scalar(() = glob "$live/pg_tblspc/*");
        print map { "control: $_" } control_of($live, $programs);
        my $text = content_of("$live/$MARK");
        print "mark $text\n" if defined $text;
    }
    my %beside = map { $_ => 1 } grep { /\A(?:\Q$live\E|\Q$prefix\E)$KIND\z/ && -d } map { glob "${_}_*" } $live, $prefix;
    beside($_) for sort keys %beside;
    printf "free %s\nscratch %s\n", free_at(parent_of($live)), free_at(parent_of($prefix));
    print "end\n";
}

# The lines of pg_controldata; none for a damaged directory, which a restore must handle too.
sub control_of {
    my ($dir, $programs) = @_;
    my ($version) = (content_of("$dir/PG_VERSION") // '') =~ /\A([0-9.]+)\s/ or return;
    $programs ||= "/usr/lib/postgresql/$version/bin";
    open my $from, '-|', "$programs/pg_controldata", '-D', $dir or fail("$programs/pg_controldata: $!");
    my @lines = <$from>;
    return close $from ? @lines : ();
}

sub beside {
    my $path = shift;
    my ($kind) = $path =~ /$KIND\z/;
    my ($bytes) = $kind eq 'before' ? (output_of(qw(du --summarize --block-size=1 --), $path))[0] =~ /(\d+)/ : 0;
    printf "beside %s %s %s %s\n", $kind, state_of($path), $bytes, $path;
    my $text = content_of("$path/$MARK");
    print "marked $path $text\n" if defined $text;
}

# Command-line settings override postgresql.auto.conf: settings from the directory may not fit this machine, and the
# server must not archive, replicate or load libraries.
sub serve {
    my ($dir, $programs, %more) = (shift, shift, map { split /=/, $_, 2 } @_);
    my %least = map { /^(\w+) setting:\s+(\S+)/ ? ($1 => $2) : () } output_of("$programs/pg_controldata", '-D', $dir);
    my $files = "$dir.server";
    mkdir $files or $!{EEXIST} or fail("$files: $!");
    written("$files/postgresql.conf", '');
    written("$files/pg_ident.conf", '');
    written("$files/pg_hba.conf", "local all all trust\n");
    my %settings = (
        config_file => "$files/postgresql.conf", hba_file => "$files/pg_hba.conf", ident_file => "$files/pg_ident.conf",
        external_pid_file => "$files/pid", listen_addresses => '', port => $PORT, unix_socket_directories => $files, ssl => 'off',
        log_destination => 'stderr', logging_collector => 'off', log_line_prefix => '', log_min_messages => 'warning',
        lc_messages => 'C', archive_mode => 'off', archive_cleanup_command => '', recovery_end_command => '',
        primary_conninfo => '', primary_slot_name => '', recovery_min_apply_delay => 0, synchronous_standby_names => '',
        shared_preload_libraries => '', session_preload_libraries => '', local_preload_libraries => '',
        max_logical_replication_workers => 0, default_transaction_read_only => 'off', wal_level => 'replica',
        ignore_checksum_failure => 'off', zero_damaged_pages => 'off', ignore_invalid_pages => 'off',
        shared_buffers => '128MB', huge_pages => 'off', wal_retrieve_retry_interval => '500ms', autovacuum => 'off',
        max_connections => $least{max_connections}, max_worker_processes => $least{max_worker_processes},
        max_wal_senders => $least{max_wal_senders}, max_prepared_transactions => $least{max_prepared_xacts},
        max_locks_per_transaction => $least{max_locks_per_xact}, %more,
    );
    start_server($dir, "$files/log", "$programs/postgres", '-D', $dir, map { ('-c', "$_=$settings{$_}") } sort keys %settings);
}

# Closes all inherited file descriptors: the pipes of the caller, and the lock against other actions.
sub start_server {
    my ($dir, $log, @words) = @_;
    my $pid = fork // fail("fork: $!");
    return waitpid $pid, 0 if $pid;
    POSIX::setsid();
    POSIX::_exit(0) if fork;
    open STDIN, '<', '/dev/null';
    open STDOUT, '>>', $log or POSIX::_exit(1);
    open STDERR, '>&', \*STDOUT;
    POSIX::close($_) for 3 .. 255;
    no warnings 'exec';
    exec { $words[0] } @words;
    print STDERR "FATAL:  $words[0]: $!\n";
    POSIX::_exit(1);
}

sub written {
    my ($path, $text) = @_;
    open my $file, '>', "$path.new" or fail("$path: $!");
    print {$file} $text and $file->flush and $file->sync or fail("$path: $!");
    close $file or fail("$path: $!");
    rename "$path.new", $path or fail("$path: $!");
    sync_folder(parent_of($path));
}

sub sync_folder {
    open my $folder, '<', $_[0] or fail("$_[0]: $!");
    $folder->sync or fail("$_[0]: $!");
}

sub standby { written("$_[0]/standby.signal", '') }

sub status {
    my $dir = shift;
    my $state = state_of($dir);
    $state = 'starting' if $state eq 'down' && processes_in($dir);
    print "$state\n";
    my @said = split /\n/, content_of("$dir.server/log") // '';
    my ($error) = grep { /^(?:FATAL|PANIC|ERROR): / } reverse @said;
    printf "said %s\n", substr $error, 0, 300 if defined $error;
}

sub end_server {
    my ($dir, $signal, $patience_s) = @_;
    my @lines = split /\n/, content_of("$dir/postmaster.pid") // '';
    my $deadline = time + $patience_s;
    kill $signal => $lines[0] if @lines && grep { $_ eq $lines[0] } processes_in($dir);
    select undef, undef, undef, 0.05 while processes_in($dir) && time <= $deadline;
    return !processes_in($dir);
}

sub close_server {
    my $dir = shift;
    end_server($dir, 'INT', 300) or fail("the server on $dir does not end");
    unlink "$dir/standby.signal";
    announce("$dir/pg_wal", $_) for map { m{([0-9A-F]{8}\.history)\z} } glob "$dir/pg_wal/*.history";
    system qw(rm -rf --), "$dir.server" and exit 1;
}

# Queues a timeline history file for archiving by the next server, as the private server archived nothing.
sub announce {
    my ($folder, $history) = @_;
    return if grep { -e "$folder/archive_status/$history.$_" } qw(ready done);
    written("$folder/archive_status/$history.ready", '');
}

sub remove {
    my $dir = shift;
    $dir =~ /$KIND\z/ or fail("$dir was not made by opsproof");
    if (!end_server($dir, 'QUIT', 10)) {
        kill KILL => processes_in($dir);
        end_server($dir, 'QUIT', 10) or fail("the server on $dir does not end");
    }
    system qw(rm -rf --), $dir, "$dir.server", "$dir.tablespaces" and exit 1;
}

sub mark {
    my ($dir, $text) = @_;
    return written("$dir/$MARK", $text) if length $text;
    unlink "$dir/$MARK" or $!{ENOENT} or fail("$dir/$MARK: $!");
    sync_folder($dir);
}

# Exchanges both names in one system call, if possible. Otherwise renames in two steps: after a kill in between, `look`
# shows the state, and the next run completes the swap.
sub swap {
    my ($live, $fresh, $aside) = @_;
    !-e $aside or fail("$aside already exists");
    if (-e $live) {
        if (exchange($live, $fresh)) { renamed($fresh, $aside) }
        else                         { renamed($live, $aside); renamed($fresh, $live) }
    }
    else { renamed($fresh, $live) }
    sync_folder(parent_of($live));
}

sub exchange {
    my ($one, $other) = @_;
    my ($machine) = $Config{archname} =~ /\A(\w+?)-/;
    my $number = $RENAMEAT2{$machine // ''} or return 0;
    return syscall($number, $AT_FDCWD, "$one", $AT_FDCWD, "$other", $EXCHANGE) == 0;
}

sub rename_once {
    my ($from, $to) = @_;
    return unless -e $from;
    !-e $to or fail("$to already exists");
    renamed($from, $to);
    sync_folder(parent_of($to));
}

sub renamed { rename $_[0], $_[1] or fail("$_[0]: $!") }

sub down {
    my $live = shift;
    my $deadline = time + 10;
    select undef, undef, undef, 0.05 while processes_in($live) && time <= $deadline;
    fail("a server still runs on $live") if processes_in($live);
}

sub up {
    my ($live, $seconds) = @_;
    my $deadline = time + $seconds;
    my $state;
    while (($state = state_of($live)) ne 'ready' || grep { -e "$live/$_.signal" } qw(recovery standby)) {
        fail("no server takes connections on $live after $seconds s: it is $state") if time > $deadline;
        select undef, undef, undef, 0.1;
    }
}

sub detached {
    my @words = @_;
    my $pid = fork // fail("fork: $!");
    if (!$pid) {
        open STDIN,  '<', '/dev/null';
        open STDOUT, '>', '/dev/null';
        open STDERR, '>&', \*STDOUT;
        POSIX::close($_) for 3 .. 255;
        no warnings 'exec';
        exec { $words[0] } @words;
        POSIX::_exit(127);
    }
    waitpid $pid, 0;
    print STDERR "$words[0] ended with status ", $? >> 8, "\n" if $?;
}

sub run {
    no warnings 'exec';
    exec { $_[0] } @_;
    print STDERR "$_[0]: $!\n";
    exit($!{ENOENT} ? 127 : 126);
}
