# Which settings does pm2-logrotate have in PM2's module_conf.json?
#
# Second part of a program: appended to json_text.pl, and run on the host as `perl -e` with the argument
# PM2_HOME.
#
# Prints one line of JSON: {settings: {name: value}}, as stored by PM2. Settings of other modules are never
# printed: they hold secrets.
# Exit: 0 success, 1 failure, 3 PM2 has no settings of pm2-logrotate. Needs only perl-base.

my $ENOENT = 2;

sub missing {
    print STDERR @_, "\n";
    exit 3;
}

sub members {    # names and values of a checked object, in turn
    my ($text, $source) = @_;
    $text =~ /^$SPACE\{/gc or fail("$source is not an object");
    my @members;
    while ($text =~ /\G$SPACE,?$SPACE"($PLAIN)"$SPACE:/gc) {
        push @members, $1, next_value(\$text);
    }
    return @members;
}

my ($home) = @ARGV;
-d $home or fail("$home: $!");
my $path = "$home/module_conf.json";
open my $file, '<:raw', $path or $! == $ENOENT ? missing("$path: $!") : fail("$path: $!");
my $text = do { local $/; readline $file } // fail("$path: $!");
my %module = members(checked($text, $path), $path);
my $found  = $module{'pm2-logrotate'} // missing("$path has no pm2-logrotate");
print object(settings => object(members($found, "pm2-logrotate in $path"))), "\n";
