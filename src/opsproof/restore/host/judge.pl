# Prints, as a line of JSON, which code of an archive a load runs, who owns what, and what only a superuser can load.
#
# Second part of a program that begins with toc.pl. Arguments: ARCHIVE UNPACK
#   owners      the owners of functions, types and relations
#   roles       the roles without which the load fails: owners, and roles with privileges, policies or user mappings
#   code        functions in definitions that a load evaluates: [NAME, OWNER, DEFINITION]
#   superuser   entries that a role without rights cannot make
#   unexpected  statements for a superuser that have another form than pg_dump writes
# Triggers, rules, policies and defaults run no code while an archive is loaded; views do in a materialized view.
my $MOST = 20;
my $OWNED = qr/\A(?:TABLE|VIEW|MATERIALIZED VIEW|SEQUENCE|FOREIGN TABLE|FUNCTION|PROCEDURE|AGGREGATE|TYPE|DOMAIN|OPERATOR)\z/;
my $EVALUATED = qr/\A(?:TABLE|(?:CHECK )?CONSTRAINT|INDEX|DOMAIN|TYPE|OPERATOR|CAST|STATISTICS|MATERIALIZED VIEW)\z/;
my $FUNCTION = qr/\A(?:FUNCTION|PROCEDURE|AGGREGATE)\z/;
my $PRIVILEGED = qr/\A(?:ACCESS\ METHOD|EVENT\ TRIGGER|FOREIGN\ (?:DATA\ WRAPPER|SERVER)|SERVER|USER\ MAPPING|SUBSCRIPTION
    |OPERATOR\ (?:CLASS|FAMILY)|PROCEDURAL\ LANGUAGE|SHELL\ TYPE|TEXT\ SEARCH\ (?:PARSER|TEMPLATE)|TRANSFORM
    |PUBLICATION\ TABLES\ IN\ SCHEMA)\z/x;

my $CALL = qr/(?<![\w"])((?:lo_|pg_(?:read|ls|stat_file|file|terminate|cancel|reload|rotate|promote|logical|create|drop
    |replication|switch|backup|log|execute)|dblink|set_config|setval|ts_stat|ts_rewrite)\w*|\w+_to_xml\w*)\(/x;
my $OF_POLICY = qr/\ACREATE POLICY $ID ON $ID\.$ID(?: AS RESTRICTIVE)?(?: FOR [A-Z]+)? TO ($ID(?:, $ID)*)/;
my $OF_PRIVILEGES = qr/(?:FOR ROLE|AUTHORIZATION|TO|FROM) ($ID)(?=;\n| WITH GRANT OPTION;\n| IN SCHEMA | GRANT | REVOKE )/;

my @all = entries();
my %tables = map { ("$_->{schema}\0$_->{name}" => 1) } grep { $_->{kind} eq 'TABLE' } @all;
my %owners = map { $_->{owner} => 1 } grep { $_->{kind} =~ $OWNED } @all;
my @unexpected = map { title($_) } grep { is_made_by_superuser($_) && !is_expected($_) } @all;
my @superuser = map { title($_) } grep { needs_superuser($_) } @all;
printf "{%s}\n", join ',', map { "\"$_->[0]\":" . list(@$_[1 .. $#$_]) }
    ['owners', map { quoted($_) } sort keys %owners],
    ['roles', map { quoted($_) } roles()],
    ['code', map { list(map { quoted($_) } @$_) } code()],
    ['superuser', map { quoted($_) } first(@superuser)],
    ['unexpected', map { quoted($_) } first(@unexpected)];

sub first { return @_ > $MOST ? (@_[0 .. $MOST - 1], @_ - $MOST . ' more') : @_ }

sub title {
    my $entry = shift;
    return lc($entry->{kind}) . ' ' . ($entry->{schema} ? "$entry->{schema}." : '') . $entry->{name};
}

sub needs_superuser {
    my $entry = shift;
    my ($kind, $said) = @$entry{qw(kind said)};
    return 1 if $kind =~ $PRIVILEGED || ($entry->{tablespace} && $kind =~ $OWNED);
    return 1 if $kind =~ $FUNCTION && $said =~ /^    LANGUAGE (?:c|internal)\b/m;
    return 1 if $kind eq 'TYPE' && $said =~ /^    INPUT = /m;
    return 1 if $kind eq 'CAST' && $said =~ / WITHOUT FUNCTION/;
    return 1 if $kind eq 'PUBLICATION' && $said =~ / FOR ALL /;
    return $kind eq 'TABLE DATA' && !$tables{"$entry->{schema}\0$entry->{name}"};
}

# Statements about the database itself are not restored. Names in another encoding than UTF-8 cannot be compared. User
# mappings print PUBLIC like the name of a role.
sub roles {
    my @restored = grep { "$_->{kind} $_->{name}" !~ /\A(?:[A-Z ]+ )?DATABASE / } @all;
    my %roles = map { $_ => 1 } grep { !/\A(?:public)?\z/ } map { ($_->{owner}, named($_)) } @restored;
    return grep { utf8::decode(my $copy = $_) } sort keys %roles;
}

sub named {
    my ($kind, $said) = @{ $_[0] }{qw(kind said)};
    my @names;
    if    ($kind =~ /ACL\z/)        { @names = $said =~ /$OF_PRIVILEGES/g }
    elsif ($kind eq 'POLICY')       { @names = ($said =~ $OF_POLICY ? $1 : '') =~ /$ID/g }
    elsif ($kind eq 'USER MAPPING') { @names = $said =~ /\ACREATE USER MAPPING FOR ($ID) SERVER / }
    return map { unquoted($_) } @names;
}

# Functions of the archive, and functions of the server with effects, that occur in definitions; with the first of these.
sub code {
    my %function = map { (qualified($_) => $_) } grep { $_->{kind} =~ $FUNCTION } @all;
    my $any = join '|', '(?!)', map { quotemeta } sort keys %function;
    my $views = grep { $_->{kind} eq 'MATERIALIZED VIEW DATA' } @all;
    my (%used, %called);
    for my $entry (@all) {
        next if $entry->{kind} !~ $EVALUATED && !($views && $entry->{kind} eq 'VIEW');
        $used{$1} //= $entry while $entry->{said} =~ /(?<![\w"])($any)(?![\w"])/g;
        $called{$1} //= $entry while $entry->{said} =~ /$CALL/g;
    }
    return (
        (map { [title($function{$_}), $function{$_}{owner}, title($used{$_})] } sort keys %used),
        (map { ["function $_ of the server", $called{$_}{owner}, title($called{$_})] } sort keys %called),
    );
}

# The name as pg_dump prints it, without arguments.
sub qualified {
    my $entry = shift;
    my ($name) = $entry->{name} =~ /\A(.*?)(?:\(.*)?\z/s;
    return join '.', map { /\A[a-z_][a-z0-9_]*\z/ ? $_ : '"' . s/"/""/gr . '"' } $entry->{schema}, $name;
}

sub list { return '[' . join(',', @_) . ']' }

sub quoted {
    my $text = shift;
    $text = substr $text, 0, 200 if length $text > 200;
    $text =~ s/([\\"\x00-\x1f])/sprintf '\\u%04x', ord $1/ge;
    return "\"$text\"";
}
