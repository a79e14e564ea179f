"""What printed commands do."""

import pytest

from opsproof.core import effects
from opsproof.core.verdicts import Remedy


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("sudo du -ahx -d 2 /data | sort -rh | head -n 20", "looks"),
        ("psql --dbname=app -c 'SELECT 1'", "looks"),
        ("sudo -u deploy env PM2_HOME=/home/deploy/.pm2 pm2 describe worker", "looks"),
        ("actions/drop_indexes.py --host vps --database app", "looks"),
        ("opsproof do backup --host vps", "looks"),
        ("actions/vacuum.py --host vps --apply", "changes"),
        ("opsproof do backup --host vps --backup metachat --apply", "changes"),
        ("sudo systemctl reboot", "changes"),
        ("psql -c 'DROP INDEX CONCURRENTLY x'", "changes"),
        ("psql -c 'VACUUM (FULL, ANALYZE) x'", "locks"),
        ("psql -c 'ALTER TABLE x ALTER COLUMN id TYPE bigint'", "locks"),
        ("psql -c 'ALTER TABLE x SET (autovacuum_enabled = on)'", "changes"),
        ("psql -c 'CREATE INDEX CONCURRENTLY ON x (y)'", "changes"),
        ("psql -c 'REINDEX INDEX x'", "locks"),
        ("fix-it --now", "changes"),
    ],
)
def test_kind_of_a_command(command, kind):
    assert effects.kind(command) == kind


def test_command_with_a_warning_changes_something():
    assert Remedy("vps", "curl https://example.org", "restarts the service").kind == "changes"


def test_remedy_as_text():
    assert str(Remedy("vps", "pm2 restart x", "restarts it")) == "on vps: pm2 restart x  # restarts it"
    assert (str(Remedy("", "df")), bool(Remedy())) == ("df", False)
