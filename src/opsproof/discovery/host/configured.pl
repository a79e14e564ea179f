# Which sites, backups, certificates and cron jobs do configuration files and folders of a host show?
#
# Run on the host as `perl -e`, without arguments. Prints lines of a label and values; texts are hexadecimal, because
# names may contain any byte. The last line is "end".
#   home PATH                    the home folder of the login
#   site SCHEME NAME             a name that nginx or Caddy serves, with its port if unusual
#   path PATH                    the path of a health check in the configuration of nginx
#   backup FOLDER NAME DATABASE  a folder with backups by opsproof
#   dumps FOLDER COUNT           a folder with dumps by other programs
#   empty FOLDER                 an empty folder of the login, below a folder for backups
#   stanza NAME DATA             a stanza of pgBackRest, and the data directory of its cluster
#   certificate PATH             a folder of Let's Encrypt
#   cron PATH                    a file with cron jobs
#   job PATH PROGRAM             a cron job that makes backups
#   closed PATH                  a file or folder of these that the login may not read
# Prints no other text of a file: configuration may contain secrets. Needs only perl-base.
use strict;
use warnings;

my $HEALTH = qr{health|ready|alive|live|status|ping}i;
my $DUMP   = qr/\.(?:dump|pgdump|bak|sql)(?:\.(?:gz|zst|xz|bz2|age|gpg))?\z/;
my $MAKER  = qr{(?:^|[\s/;&|])(pg_dump(?:all)?|pg_basebackup|pgbackrest|barman|wal-g|restic|borg|borgmatic|mysqldump)\b};

sub said {
    my ($label, @texts) = @_;
    print join(' ', $label, map { unpack 'H*', $_ } @texts), "\n";
}

sub read_file {    # empty if unreadable, which is said
    my ($path) = @_;
    open my $file, '<:raw', $path or do { said('closed', $path); return '' };
    read $file, my $text, 1 << 20;
    return $text // '';
}

sub site {
    my ($scheme, $name, $port, $seen) = @_;
    return if $name !~ /^[A-Za-z0-9][A-Za-z0-9.-]*\.[A-Za-z0-9-]+\z/ || $name =~ /^[\d.]+\z/;
    my $usual = $scheme eq 'https' ? 443 : 80;
    my $place = $port && $port != $usual ? "$name:$port" : $name;
    print "site $scheme ", unpack('H*', $place), "\n" if !$seen->{"$scheme $place"}++;
}

sub nginx {
    my ($text, $seen) = @_;
    $text =~ s/(?:^|\s)#.*//mg;
    my (undef, @servers) = split /\bserver\s*\{/, $text;
    for my $server (@servers) {
        my @names = map {split} $server =~ /\bserver_name\s+([^;]+);/g;
        for my $listen ($server =~ /\blisten\s+([^;]+);/g) {
            my ($port) = $listen =~ /^(?:\S*:)?(\d+)(?:\s|\z)/;
            my $scheme = $listen =~ /\bssl\b/ ? 'https' : 'http';
            site($scheme, $_, $port, $seen) for @names;
        }
        said('path', $_) for grep { /$HEALTH/ && !/[\\^\$*?()\[\]|]/ } $server =~ /\blocation\s+(?:(?:=|\^~)\s*)?(\/\S*)\s*\{/g;
    }
}

sub caddy {
    my ($text, $seen) = @_;
    my $depth = 0;
    for my $line (split /\n/, $text) {
        $line =~ s/(?:^|\s)#.*//;
        my ($addresses) = $line =~ /^\s*([^({\s][^{]*?)\s*\{?\s*\z/;
        for (!$depth && defined $addresses ? split /[\s,]+/, $addresses : ()) {
            my ($scheme, $name, $port) = m{^(?:(https?)://)?([^:/]+)(?::(\d+))?} or next;
            $scheme //= $port && $port == 80 ? 'http' : 'https';
            site($scheme, $name, $port, $seen);
        }
        $depth += () = $line =~ /(?:^|\s)\{(?=\s|\z)/g;
        $depth -= () = $line =~ /(?:^|\s)\}(?=\s|\z)/g;
    }
}

sub stanzas {
    my ($text) = @_;
    my $stanza;
    for (split /\n/, $text) {
        $stanza = $1 =~ /^global/ ? undef : $1 if /^\s*\[([^\]]+)\]/;
        said('stanza', $stanza, $1) if defined $stanza && /^\s*pg1-path\s*=\s*(\S+)/;
    }
}

sub backups {
    my ($folder) = @_;
    opendir my $handle, $folder or do { said('closed', $folder) if $folder =~ /backup/i; return };
    my @files = sort grep { -f "$folder/$_" } readdir $handle;
    my %newest = map { /^(.+)_\d{8}T\d{6}Z\.manifest\.json\z/ ? ($1 => $_) : () } @files;
    for my $name (sort keys %newest) {
        my ($database) = read_file("$folder/$newest{$name}") =~ /"database"\s*:\s*"([^"\\]+)"/;
        said('backup', $folder, $name, $database // '');
    }
    my $dumps = grep {/$DUMP/} @files;
    said('dumps', $folder, $dumps) if $dumps && !%newest;
    said('empty', $folder) if !@files && -o $folder && $folder =~ m{backup[^/]*/[^/]+\z};
}

my ($home, %seen) = ((getpwuid $<)[7] // '');
said('home', $home);
nginx(read_file($_), \%seen) for grep {-f} glob '/etc/nginx/nginx.conf /etc/nginx/conf.d/*.conf /etc/nginx/sites-enabled/*';
caddy(read_file($_), \%seen) for grep {-f} glob '/etc/caddy/Caddyfile /etc/caddy/conf.d/* /etc/caddy/sites-enabled/*';
stanzas(read_file($_))       for grep {-f} glob '/etc/pgbackrest.conf /etc/pgbackrest/pgbackrest.conf /etc/pgbackrest/conf.d/*.conf';
my @roots = grep {-d} glob '/var/backups /srv/*backup* /backup* /mnt/*backup* /opt/*backup* /home/*/*backup*';
push @roots, grep {-d} glob "\Q$home\E/*backup*" if $home ne '' && $home !~ m{^/home/};
backups($_) for map { my $root = $_; ($root, grep { -d && !-l } glob "\Q$root\E/*") } @roots;
said('certificate', $_) for grep {-d} glob '/etc/letsencrypt/live/*';
for my $file (grep {-f} glob '/etc/cron.d/* /etc/crontab /etc/cron.hourly/* /etc/cron.daily/* /etc/cron.weekly/* /etc/cron.monthly/*') {
    said('cron', $file) if $file !~ m{/cron\.\w+ly/};
    my %programs = map { $_ => 1 } map { /^\s*#/ ? () : /$MAKER/g } split /\n/, read_file($file);
    said('job', $file, $_) for sort keys %programs;
}
print "end\n";
