# Makes a set of backup files with tar: second part of a program that begins with set.pl.
#
# Arguments: FOLDER SET READER COUNT LEFT_OUT PATH... PATTERN... [WORD...]
#   READER   the program tree.pl, run as the user who may read the PATHs
#   COUNT    number of PATHs to back up
#   LEFT_OUT number of PATTERNs of paths to leave out
#   WORD     words in front of perl that run READER as another user
#
# The files are listed with checksums, archived, and listed again: a file that differs then has changed while tar read it.
# The whole set is made anew up to twice if a file changed; after that, the manifest names the file as lacking, and the
# list has what the archive has.
# Needs perl-base, coreutils, find, GNU tar and zstd.
my $TRIES = 3;
my $NAMED = 100;    # lacking and skipped entries in the manifest, which is read whole in a round
my $HARMLESS = join '|', 'file changed as we read it', 'File removed before we read it',    # seen in the second list
    'File shrank by \d+ bytes; padding with zeros', 'Cannot (?:stat|open): No such file or directory',
    'Exiting with failure status due to previous errors';

my ($reader, $count, $left_out, @words) = @options;
my @paths   = splice @words, 0, $count;
my @scope   = ($count, map({ m{\A/} ? $_ : "$home/$_" } @paths), splice @words, 0, $left_out);
my @reading = (@words, 'perl', '-e', $reader, '--');
my ($archive, $list) = ("$set.tar.zst", "$set.contents");
my ($found, @changed);
for (1 .. $TRIES) {
    $found   = listing('sums');
    @changed = archived($found, complaints(@{$found->{entries}}));
    last unless @changed;
}
my @held   = @changed ? held(@{$found->{entries}}) : @{$found->{entries}};
my %unsure = map { m{\A(/\S*): } ? ($1 => 1) : () } @changed;
store($list, map { line($_, $unsure{$_->[9]}) } @held);
seal(manifest([@{$found->{lacking}}, @changed], $found->{skipped}, @held));
print "$set\n";

sub listing {
    my $text = output_of(undef, @reading, shift, @scope);
    $text =~ s/^end\n\z//m or fail('the list of files was cut short');
    my %found = (entries => [], lacking => [], skipped => []);
    for (split /\n/, $text) {
        my ($label, $rest) = split / /, $_, 2;
        if ($label eq 'entry') { push @{$found{entries}}, [split / /, $rest] }
        else                   { push @{$found{$label}},  $rest =~ s/ /: /r }
    }
    fail('there is nothing to back up: ' . join '; ', @{$found{lacking}}) unless @{$found{entries}};
    require_elsewhere(@{$found{entries}});
    return \%found;
}

# A backup inside of the backed-up folder would grow from day to day.
sub require_elsewhere {
    my ($device, $inode) = stat '.' or fail("$folder: $!");
    my ($inside) = grep { $_->[0] eq 'd' && $_->[8] eq "$device:$inode" } @_;
    fail("the backup folder is among the files to back up, as $inside->[9]: exclude it") if $inside;
}

# Writes the archive, and returns what tar complained about.
sub complaints {
    my @names = map { unescaped($_->[9]) } @_;
    discard($archive);
    pipe my $from, my $to     or fail("pipe: $!");
    pipe my $in,   my $out    or fail("pipe: $!");
    pipe my $said, my $saying or fail("pipe: $!");
    my $zstd = start($in, create($archive), qw(zstd -q -1 -c));
    my $tar  = started_with($saying, $from, $out, @reading, 'tar', 0);
    close $_ for $from, $in, $out, $saying;
    my $feeding = fed($to, @names);
    my @said = <$said>;
    chomp @said;
    waitpid $feeding, 0;
    delete $running{$tar};
    waitpid $tar, 0;
    fail("tar was ended by signal " . ($? & 127)) if $? & 127;
    my @of_tar  = grep { m{\A(?:\S*/)?tar: } } @said;    # sudo may warn, too
    my @harmful = grep { !/: (?:$HARMLESS)\z/ } @of_tar;
    fail($harmful[0] // $said[0] // 'tar failed') if @harmful || ($? && !@of_tar);
    finish($zstd);
    return grep { !/Exiting with failure/ } @of_tar;
}

# In a process of its own: tar begins to write before it has read all names.
sub fed {
    my ($to, @names) = @_;
    my $pid = fork // fail("fork: $!");
    if (!$pid) {
        $SIG{PIPE} = 'DEFAULT';
        print {$to} map { s{\A/}{}r . "\0" } @names;
        close $to;
        POSIX::_exit(0);
    }
    close $to;
    return $pid;
}

sub started_with {
    my ($errors, @how) = @_;
    open my $kept, '>&', \*STDERR or fail("stderr: $!");
    open STDERR, '>&', $errors or fail("stderr: $!");
    my $pid = start(@how);
    open STDERR, '>&', $kept or fail("stderr: $!");
    return $pid;
}

# The entries that differ from a second list; without any, each complaint of tar.
sub archived {
    my ($before, @complaints) = @_;
    my %now = map { $_->[9] => $_ } @{listing('list')->{entries}};
    my @changed;
    for my $entry (grep { $_->[0] ne 'd' } @{$before->{entries}}) {
        my $same = $now{$entry->[9]};
        push @changed, "$entry->[9]: vanished while it was read" if !$same;
        push @changed, "$entry->[9]: changed while it was read" if $same && $same->[8] ne $entry->[8];
        push @changed, "$entry->[9]: cannot be read"
            if $same && $same->[8] eq $entry->[8] && $entry->[0] eq 'f' && $entry->[6] eq '-';
    }
    return @changed ? @changed : map { tr/\x20-\x7e//cdr } @complaints;
}

# The entries that the archive has: a file may have vanished before tar read it.
sub held {
    my %there = map { $_ => 1 } members();
    my @held = grep { $there{unescaped($_->[9]) =~ s{\A/}{}r} } @_;
    return @held ? @held : fail('there is nothing to back up: all files vanished');
}

sub members {
    open my $written, '<', "$archive.partial" or fail("$folder/$archive.partial: $!");
    pipe my $from, my $to or fail("pipe: $!");
    my $unpack = start($written, $to, qw(zstd -q -d -c));
    close $to;
    my $text = output_of($from, qw(tar --list --quoting-style=escape --file=-));
    finish($unpack);
    return map { named_by_tar($_) =~ s{/\z}{}r } split /\n/, $text;
}

sub named_by_tar {
    my %letters = (a => "\a", b => "\b", f => "\f", n => "\n", r => "\r", t => "\t", v => "\013");
    return $_[0] =~ s/\\(?:([0-7]{3})|(.))/defined $1 ? chr oct $1 : $letters{$2} \/\/ $2/ger;
}

# Whether tar read a file before or after a change is not known.
sub line {
    my ($entry, $unsure) = @_;
    my @fields = @$entry[0 .. 7, 9, 10];
    @fields[0 .. 6, 9] = ('-') x 8 if $unsure;
    return "@fields\n";
}

sub discard {
    my $name = shift;
    my $file = delete $written{$name} or return;
    close $file;
    unlink "$name.partial" or fail("$folder/$name.partial: $!");
}

sub store {
    my ($name, @lines) = @_;
    my $file = create($name);
    print {$file} @lines or fail("$folder/$name.partial: $!");
    $file->flush or fail("$folder/$name.partial: $!");
}

sub manifest {
    my ($lacking, $skipped, @entries) = @_;
    my ($version) = output_of(undef, qw(tar --version)) =~ /(.*)/;
    my ($files, $bytes) = (0, 0);
    $_->[0] eq 'f' and $files++, $bytes += $_->[4] for @entries;
    my @parts = ('"archive": ' . file_of($archive), '"contents": ' . file_of($list));
    return join ",\n", beginning(), '"tools": {"tar": ' . quoted($version) . ', "compression": "zstd"}',
        '"files": {' . join(', ', @parts) . '}', "\"entries\": " . @entries . ", \"bytes\": $bytes",
        '"paths": ' . listed(@paths), '"lacking": ' . listed(some(@$lacking)), '"skipped": ' . listed(some(@$skipped));
}

sub listed { return '[' . join(', ', map { quoted($_) } @_) . ']' }

sub some {
    my $more = @_ - $NAMED;
    return $more > 0 ? (@_[0 .. $NAMED - 1], "$more more") : @_;
}
