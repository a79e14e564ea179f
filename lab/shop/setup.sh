#!/bin/sh
# Makes the shop of a Debian system with its packages, inside the system: users, two clusters, services, a certificate.
set -eu

useradd --create-home --shell /bin/bash --password '*' --groups adm ops
useradd --create-home --shell /bin/bash --password '*' shop
useradd --create-home --shell /bin/bash --password '*' labels
install -d -o ops -g ops -m 0700 /home/ops/.ssh /home/ops/.opsproof
install -d -o shop -g adm -m 0750 /var/log/shop
install -d -o shop -g shop -m 0755 /var/lib/shop
own=/home/labels/.config/systemd/user
install -d -o labels -g labels /home/labels/.config /home/labels/.config/systemd "$own" "$own/default.target.wants"
mv /usr/local/lib/shop/shop-labels.service "$own"
ln -s ../shop-labels.service "$own/default.target.wants"
install -d /var/lib/systemd/linger
touch /var/lib/systemd/linger/labels
for log in shop courier digest; do
    install -o shop -g adm -m 0640 /dev/null "/var/log/shop/$log.log"
done
for log in access error; do
    install -o www-data -g adm -m 0640 /dev/null "/var/log/nginx/$log.log"
done
install -d -o shop -g shop -m 0755 /srv/parcels
echo 'tmpfs /srv/parcels tmpfs size=2m,nr_inodes=64,mode=0755 0 0' > /etc/fstab
echo shop > /etc/hostname
printf '127.0.0.1 localhost\n127.0.0.1 shop.lab.test shop\n' > /etc/hosts
sed -i 's/^#dateext/dateext/' /etc/logrotate.conf
rm -f /etc/nginx/sites-enabled/default
: > /etc/machine-id

printf "add_include_dir = 'conf.d'\n" >> /etc/postgresql-common/createcluster.conf
for cluster in 'main 5432' 'archive 5433'; do
    set -- $cluster
    pg_createcluster --port "$2" 15 "$1" -- --no-sync --data-checksums >/dev/null
    cat > "/etc/postgresql/15/$1/conf.d/shop.conf" <<END
shared_preload_libraries = 'pg_stat_statements'
timezone = 'UTC'
log_timezone = 'UTC'
shared_buffers = 32MB
END
done

shop-certificate
systemctl enable --quiet ssh.service cron.service nginx.service shop.service shop-digest.timer shop-pulse.timer \
    postgresql@15-main.service postgresql@15-archive.service
systemctl set-default --quiet multi-user.target
