# Feeds a SQL script with entries of an archive to psql: what a superuser makes for the role that loads.
#
# Second part of a program that begins with toc.pl. Arguments: ARCHIVE UNPACK SCRIPT COMMAND...
#   SCRIPT   after a line COPY ... FROM STDIN; the entries follow as rows: number, kind, schema, name, owner, text;
#            in place of a line -- privileges, the statements of privileges follow
#   COMMAND  psql, which reads the script
# Statements of another form than toc.pl expects are an error, before psql starts. Exit status: that of psql.
my ($script, @command) = @rest;
my %CATALOG = (
    (map { $_ => 'pg_class' } 'TABLE', 'VIEW', 'MATERIALIZED VIEW', 'SEQUENCE', 'FOREIGN TABLE'),
    (map { $_ => 'pg_proc' } qw(FUNCTION PROCEDURE AGGREGATE)),
    (map { $_ => 'pg_type' } qw(TYPE DOMAIN)),
    SCHEMA => 'pg_namespace', OPERATOR => 'pg_operator', COLLATION => 'pg_collation', CONVERSION => 'pg_conversion',
    STATISTICS => 'pg_statistic_ext', PUBLICATION => 'pg_publication', EXTENSION => 'pg_extension',
    'TEXT SEARCH DICTIONARY' => 'pg_ts_dict', 'TEXT SEARCH CONFIGURATION' => 'pg_ts_config',
    BLOB => 'pg_largeobject', 'BLOB METADATA' => 'pg_largeobject', COMMENT => 'comment',
);
my @all = entries();
for (grep { is_made_by_superuser($_) && !is_expected($_) } @all) {
    stop("$_->{kind} $_->{name}: unexpected statement in the archive");
}
$SIG{PIPE} = 'IGNORE';
open my $psql, '|-', @command or stop("$command[0]: $!");
for my $line (split /^/, $script) {
    print {$psql} $line =~ /\A-- privileges$/ ? privileges() : $line;
    print {$psql} rows(), "\\.\n" if $line =~ /\ACOPY .* FROM STDIN;$/;
}
close $psql;
exit($? >> 8 || ($? ? 1 : 0));

sub privileges { return map { "$_->{said}\n" } grep { $_->{kind} =~ /ACL\z/ && is_made_by_superuser($_) } @all }

sub rows {
    my ($number, @rows) = 0;
    for my $entry (@all) {
        my $catalog = $CATALOG{ $entry->{kind} } or next;
        for my $parts (parts($entry)) { push @rows, row($number++, $catalog, @$parts) }
    }
    return @rows;
}

# Schema, name, owner, text: of an extension, the schema; of a comment, the type of object, its name and the literal.
sub parts {
    my $entry = shift;
    my ($kind, $said) = @$entry{qw(kind said)};
    if ($kind eq 'COMMENT') {
        my ($type, $name, $literal) = $said =~ /\ACOMMENT ON (EXTENSION|SCHEMA) ($ID) IS '(.*)';\n*\z/s;
        return () if !$type || !is_made_by_superuser($entry);
        return [$type, unquoted($name), '', $literal =~ s/''/'/gr];
    }
    my @names = $kind eq 'BLOB METADATA' ? split /\n/, $said : $entry->{name};
    my $text = $said =~ / WITH SCHEMA ($ID);/ && $kind eq 'EXTENSION' ? unquoted($1) : '';
    return map { [$entry->{schema}, $_, $entry->{owner}, $text] } @names;
}

sub row {
    my @values = @_;
    my %escape = ("\\" => '\\\\', "\t" => '\t', "\n" => '\n', "\r" => '\r');
    s/([\\\t\n\r])/$escape{$1}/g for @values;
    return join("\t", @values) . "\n";
}
