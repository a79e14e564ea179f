# Prints the SHA-256 of PostgreSQL's own functions, operators, types and views in a database.
#
# Arguments: the connection string. A restored database has the same as a new one, as no archive holds them: loaded code
# could replace them, and answer in their place. COPY reads tables without a plan, so that no replaced function is run.
# Also counted are objects that do not belong to an extension and stand in pg_catalog. Needs perl-base and sha256sum.
use strict;
use warnings;

my ($target) = @ARGV;
my ($FIRST_OWN, $PG_CATALOG) = (16384, 11);    # access/transam.h and pg_namespace.dat
my %COLUMNS = (
    pg_proc      => 'oid, pronamespace, proname, prolang, prokind, prosupport, prorettype, proargtypes, prosrc, probin, proconfig',
    pg_operator  => 'oid, oprnamespace, oprname, oprleft, oprright, oprcode',
    pg_type      => 'oid, typnamespace, typname, typinput, typoutput, typreceive, typsend',
    pg_class     => 'oid, relnamespace, relname, relkind',
    pg_rewrite   => 'oid, ev_class, ev_action',
    pg_cast      => 'oid, castsource, casttarget, castfunc',
    pg_language  => 'oid, lanname, lanplcallfoid',
    pg_aggregate => 'aggfnoid, aggtransfn, aggfinalfn, aggcombinefn, agginitval',
);

my %of_extension = map { $_ => 1 } map { /^(\d+)\te$/ } rows('pg_depend', 'objid, deptype');
my @lines;
for my $table (sort keys %COLUMNS) {
    for (rows($table, $COLUMNS{$table})) {
        my ($oid, $schema) = split /\t/;
        my $own = $table eq 'pg_aggregate' ? $oid !~ /\./ : $oid < $FIRST_OWN;
        push @lines, "$table\t$_" if $own || placed_among($table, $oid, $schema);
    }
}
open my $sum, '|-', 'sha256sum' or die "sha256sum: $!\n";
print {$sum} sort @lines;
close $sum or exit 1;

sub placed_among {
    my ($table, $oid, $schema) = @_;
    return $table =~ /\Apg_(?:proc|operator|type|class)\z/ && $schema == $PG_CATALOG && !$of_extension{$oid};
}

sub rows {
    my ($table, $columns) = @_;
    my @words = ('psql', '-XAtqw', '-v', 'ON_ERROR_STOP=1', '-d', $target, '-c', "COPY pg_catalog.$table ($columns) TO STDOUT");
    open my $from, '-|', @words or die "psql: $!\n";
    my @rows = <$from>;
    close $from or exit 1;    # psql printed the reason
    return @rows;
}
