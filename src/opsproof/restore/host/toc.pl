# Which entries does a pg_dump archive have, and which statements belong to each?
#
# First part of several programs: judge.pl and by_superuser.pl are appended, and run on the host as `perl -e`.
# Pragmas and variables of this file apply to the other parts. Arguments: ARCHIVE UNPACK [...]
#   UNPACK  zstd or gzip; empty for an uncompressed archive
# Reads the table of contents in the format itself: the list that pg_restore prints is ambiguous, because names may
# contain spaces. The format is described by pg_backup_archiver.c: ReadHead, ReadToc. Needs perl-base.
use strict;
use warnings;

my ($archive, $unpack, @rest) = @ARGV;
my $CUSTOM = 1;
my $LONGEST = 2**28;    # of a text: a damaged length must not exhaust the memory
my $ID = qr/(?:"(?:[^"\0]|"")+"|[a-z_][a-z0-9_]*)/;
my ($content, $version, $int_bytes, $offset_bytes);

sub stop { print STDERR "$_[0]\n"; exit 1 }

sub opened {
    open my $file, '<', $archive or stop("$archive: $!");
    binmode $file;
    return $file if !$unpack;
    my $unpacked;
    my $pid = open($unpacked, '-|') // stop("fork: $!");
    return $unpacked if $pid;
    open STDIN, '<&', $file;
    exec $unpack, qw(-q -d -c) or exit 127;
}

sub bytes {
    my $wanted = shift;
    my $text;
    my $got = read $content, $text, $wanted;
    return $text if defined $got && $got == $wanted;
    exit 1 if $unpack && !close $content;    # the program printed the reason
    stop("$archive: the table of contents is cut short");
}

sub byte { return unpack 'C', bytes(1) }

sub number {
    my $negative = byte();
    my ($value, $shift) = (0, 0);
    for (unpack 'C*', bytes($int_bytes)) { $value += $_ << $shift; $shift += 8 }
    return $negative ? -$value : $value;
}

sub text {
    my $length = number();
    return undef if $length < 0;
    stop("$archive: the table of contents is damaged") if $length > $LONGEST;
    return $length ? bytes($length) : '';
}

# Reads the head; a format other than pg_dump's custom format cannot be read.
sub head {
    stop("$archive is no archive in pg_dump's custom format") if bytes(5) ne 'PGDMP';
    my @version = (byte(), byte(), byte());
    $version = $version[0] * 100 + $version[1];
    ($int_bytes, $offset_bytes) = (byte(), byte());
    my $known = byte() == $CUSTOM && $version >= 112 && $version <= 116;
    stop("$archive has an unknown format of archives") if !$known;
    $version >= 115 ? byte() : number();    # compression
    number() for 1 .. 7;                    # time
    text() for 1 .. 3;                      # database, versions
}

sub entry {
    my %entry = (id => number());
    number();                               # whether the entry has data
    text() for 1 .. 2;                      # identity in the catalogs
    $entry{$_} = text() for qw(name kind);
    number();                               # section
    $entry{said} = text();
    text() for 1 .. 2;                      # DROP and COPY
    $entry{$_} = text() for qw(schema tablespace);
    text() if $version >= 114;              # access method
    number() if $version >= 116;            # kind of relation
    $entry{owner} = text();
    text();                                 # OIDs
    1 while defined text();                 # dependencies
    bytes(1 + $offset_bytes);
    $_ //= '' for values %entry;
    return \%entry;
}

sub entries {
    $content = opened();
    head();
    return map { entry() } 1 .. number();
}

sub unquoted {
    my $name = shift;
    return $name if $name !~ s/\A"(.*)"\z/$1/s;
    $name =~ s/""/"/g;
    return $name;
}

# ---- statements that a superuser may run: none can contain another statement, a literal with code, or a command of psql

my $LITERAL = qr/'(?:[^'\0]|'')*'/;
my $PRIVILEGES = qr/[A-Z]+(?:\((?:$ID(?:,\s?)?)+\))?(?:,\s?[A-Z]+(?:\((?:$ID(?:,\s?)?)+\))?)*/;
my $ARGUMENTS = qr/\((?:"(?:[^"\0]|"")+"|[A-Za-z0-9_ ,.\[\]]|\([0-9,]+\))*\)/;
my $OBJECT = qr/(?:TABLE|SEQUENCE|TYPE)\ $ID\.$ID|(?:FUNCTION|PROCEDURE)\ $ID\.$ID$ARGUMENTS
    |(?:SCHEMA|LANGUAGE|FOREIGN\ DATA\ WRAPPER|FOREIGN\ SERVER)\ $ID|LARGE\ OBJECT\ \d+/x;
my $TO = qr/(?:TO|FROM) (?:PUBLIC|$ID)(?: WITH GRANT OPTION)?;\n/;
my $GRANT = qr/(?:GRANT|REVOKE(?: GRANT OPTION FOR)?) $PRIVILEGES ON (?:$OBJECT) $TO/;
my $AS_GRANTOR = qr/SET SESSION AUTHORIZATION $ID;\n$GRANT+RESET SESSION AUTHORIZATION;\n/;
my $DEFAULT = qr/ALTER DEFAULT PRIVILEGES FOR ROLE $ID (?:IN SCHEMA $ID )?(?:GRANT|REVOKE) $PRIVILEGES ON [A-Z]+(?: OBJECTS)? +$TO/;
my %EXPECTED = (
    ACL           => qr/\A(?:$GRANT|$AS_GRANTOR)+\n*\z/,
    'DEFAULT ACL' => qr/\A$DEFAULT+\n*\z/,
    SCHEMA        => qr/\A(?:CREATE SCHEMA $ID;|-- \*not\* creating schema, since initdb creates it)\n*\z/,
    EXTENSION     => qr/\ACREATE EXTENSION IF NOT EXISTS $ID WITH SCHEMA $ID;\n*\z/,
    COMMENT       => qr/\ACOMMENT ON (?:EXTENSION|SCHEMA) $ID IS (?:$LITERAL|NULL);\n*\z/,
);
my $OF_SERVER = qr/ ON (?:TABLE|SEQUENCE|TYPE|FUNCTION|PROCEDURE|SCHEMA) "?(?:pg_|information_schema)/;
my $OF_MONITOR = qr/\AGRANT SELECT\(sta(?:relid|attnum|inherit|nullfrac|width|distinct)\) ON TABLE pg_catalog\.pg_statistic TO $ID;\n\z/;

# Whether a superuser makes the entry, instead of the role that loads.
sub is_made_by_superuser {
    my $entry = shift;
    return $entry->{name} =~ /\A(?:EXTENSION|SCHEMA) / if $entry->{kind} eq 'COMMENT';
    return exists $EXPECTED{ $entry->{kind} } && $entry->{name} !~ /\ADATABASE /;
}

sub is_expected {
    my ($kind, $said) = @{ $_[0] }{qw(kind said)};
    return $said =~ $OF_MONITOR || ($said =~ $EXPECTED{$kind} && $said !~ $OF_SERVER) if $kind eq 'ACL';
    return $said =~ $EXPECTED{$kind};
}
