"""Backups, sites and jobs in configuration files and folders."""

import json
import re
import subprocess

import pytest

from opsproof.core import scripts
from opsproof.discovery import backups, looking
from opsproof.discovery.backups import FoundStanza
from opsproof.discovery.rights import Rights
from opsproof.discovery.sight import Entry
from opsproof.transport.shell import Answer

NGINX = """\
# server { server_name old.test; }
server { listen 80; listen [::]:80; server_name shop.test www.shop.test _ *.wild.test; return 301 https://$host; }
server {
    listen 443 ssl http2; server_name shop.test; # the shop
    listen 127.0.0.1:8443 ssl;
    location = /health/ready { proxy_pass http://127.0.0.1:3000; }
    location ~ ^/status/(.*)$ { }
    location / { proxy_set_header Authorization "Basic c2VjcmV0"; }
}
"""
CADDY = """\
{
	admin off
}
https://chat.test, api.chat.test:8443 {
	reverse_proxy inside.test:3000
}
http:// {
	redir https://{host}{uri} 301
}
(snippet) {
}
"""
CRON = """\
SHELL=/bin/sh
# 0 1 * * * root pg_dumpall
0 3 * * * postgres PGPASSWORD=secret /usr/bin/pg_dump shop > /var/backups/shop.sql
0 4 * * * postgres pgbackrest --stanza=main backup
"""


@pytest.fixture
def root(tmp_path):
    """A host's files, and configured.pl with their folder in place of the root; the lines as texts."""
    program = re.sub(
        r"glob '([^']+)'",
        lambda found: f"glob '{' '.join(f'{tmp_path}{each}' for each in found[1].split())}'",
        scripts.perl("discovery/configured"),
    )

    def run(**files):
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text, encoding="utf-8")
        done = subprocess.run(["perl", "-e", program], capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return looking.labelled(done.stdout, "it")

    return run


def texts(found, label):
    return [tuple(looking.text(word) for word in line.split(" ")) for line in found.get(label, [])]


def test_sites_and_health_paths_of_proxies_are_found(root):
    found = root(**{"etc/nginx/sites-enabled/shop": NGINX, "etc/caddy/Caddyfile": CADDY})
    pairs = [(line.split(" ")[0], looking.text(line.split(" ")[1])) for line in found["site"]]
    assert pairs == [
        ("http", "shop.test"),
        ("http", "www.shop.test"),
        ("https", "shop.test"),
        ("https", "shop.test:8443"),
        ("https", "chat.test"),
        ("https", "api.chat.test:8443"),
    ]
    assert texts(found, "path") == [("/health/ready",)]


def test_jobs_name_their_program_and_nothing_else(root, tmp_path):
    found = root(**{"etc/cron.d/dumps": CRON})
    path = str(tmp_path / "etc/cron.d/dumps")
    assert texts(found, "job") == [(path, "pg_dump"), (path, "pgbackrest")]
    assert b"secret".hex() not in str(found)


def test_folders_of_backups_are_found(root, tmp_path):
    manifest = json.dumps({"format": 1, "server": {"database": "shop"}})
    found = root(**{
        "var/backups/shop/nightly_20261129T030000Z.manifest.json": manifest,
        "var/backups/shop/nightly_20261129T030000Z.dump": "x",
        "srv/backups/old.sql.gz": "x",
        "srv/backups/older.sql.gz": "x",
    })  # fmt: skip
    assert texts(found, "backup") == [(str(tmp_path / "var/backups/shop"), "nightly", "shop")]
    assert texts(found, "dumps")[0] == (str(tmp_path / "srv/backups"), "2")


def test_backups_of_files_are_unseen():
    sight = backups.of_folders([("/var/backups/shop", "files", "")], ["shop"])
    assert (sight.entries, [each.what for each in sight.unseen]) == (
        [],
        ["the backups of files files in /var/backups/shop"],
    )


def test_empty_folder_for_backups_is_unseen(root, tmp_path):
    (tmp_path / "var/backups/shop").mkdir(parents=True)
    found = root()
    assert texts(found, "empty") == [(str(tmp_path / "var/backups/shop"),)]
    (unseen,) = backups.of_empty(["/var/backups/shop"]).unseen
    assert unseen.what == "the backups in /var/backups/shop, which is empty"


def test_stanzas_have_their_data_and_no_secret(root):
    conf = "[global]\nrepo1-cipher-pass=secret\n[main]\npg1-path=/var/lib/postgresql/17/main\n[global:backup]\nx=1\n"
    found = root(**{"etc/pgbackrest/pgbackrest.conf": conf})
    assert texts(found, "stanza") == [("main", "/var/lib/postgresql/17/main")]
    assert b"secret".hex() not in str(found)


INFO = json.dumps([{"name": "main", "backup": [{"database-ref": [{"name": "shop"}]}, {"database-ref": None}]}])


def test_stanza_is_proposed_for_the_only_database():
    answers = {"pgbackrest": Answer(0, "[]"), "pgbackrest as owner": Answer(0, INFO)}
    found = backups.stanzas(answers, [("main", "/data"), ("other", "/data2")])
    assert found == [FoundStanza("main", "/data", ("shop",), "postgres"), FoundStanza("other", "/data2")]
    (entry,) = backups.of_stanzas(found[:1], ["shop"]).entries
    fields = {"database": "shop", "engine": "pgbackrest", "stanza": "main", "run_as": "postgres", "data": "/data"}
    assert entry == Entry("backups", "main", fields, "confirm that shop is in the cluster of the stanza")
    (unseen,) = backups.of_stanzas(found[:1], []).unseen
    assert unseen.what == "the stanza main of pgBackRest"


def test_owner_is_asked_only_where_sudo_permits_it():
    assert list(backups.requests(Rights("ops"))) == ["pgbackrest"]
    granted = Rights("ops", (("postgres", "/usr/bin/pgbackrest --output=json info"),))
    assert backups.requests(granted)["pgbackrest as owner"].user == "postgres"


def test_folder_is_proposed_for_its_declared_database():
    found = [("/var/backups/shop", "nightly", "shop")]
    (entry,) = backups.of_folders(found, ["shop"]).entries
    assert entry.fields == {"database": "shop", "folder": "/var/backups/shop", "user": "opsproof_backup"}
    (unseen,) = backups.of_folders(found, []).unseen
    assert unseen.way == '--dsn="... dbname=shop", which adds the table to backups'


def test_other_dumps_and_jobs_are_remarks():
    crontab = Answer(0, "# pg_dump old\n0 3 * * * opsproof do backup --apply\n")
    sight = backups.of_further([("/srv/dumps", "3")], [("/etc/cron.d/x", "restic")], crontab)
    assert sight.remarks == [
        "3 dumps by another program in /srv/dumps: not checked",
        "restic runs by /etc/cron.d/x: no check reads its result",
        "opsproof runs by the login's crontab",
    ]


def test_closed_folders_are_unseen():
    (unseen,) = backups.closed(["/var/backups/b", "/etc/a"], Rights("ops")).unseen
    assert unseen.what == "the contents of /etc/a, /var/backups/b"
    assert unseen.way.startswith("setfacl -m u:ops:rX for each")
    assert backups.closed([], Rights("ops")).unseen == []
