# The settings of pm2-logrotate in PM2's module_conf.json, and no others: those of other modules hold secrets.
#
# The second half of one program: it is joined behind json_text.pl, and both are sent to a host
# as `perl -e` with the argument PM2_HOME.
#
# Prints one line of JSON: {settings: {name: value}}, as PM2 keeps them.
# Exit: 0 answered, 1 not, 3 PM2 has no settings of pm2-logrotate. Needs only perl-base.

my $ENOENT = 2;

sub missing {
    print STDERR @_, "\n";
    exit 3;
}

sub members {    # of a checked object: names and values in turn, whatever they are
    my ($text, $source) = @_;
    $text =~ /^$SPACE\{/gc or fail("$source is no object");
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
my $found  = $module{'pm2-logrotate'} // missing("$path knows no pm2-logrotate");
print object(settings => object(members($found, "pm2-logrotate in $path"))), "\n";
