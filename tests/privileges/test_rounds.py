"""The files for the lab, installed for fresh roles, are enough for the rounds."""

import pytest

from lab.postgres import SUPERUSER
from opsproof.doctor.mending import AGAIN, Patient, mend
from opsproof.inventory.load import load
from tests.harness import samples
from tests.proving.rounds import Rounds

DATABASES = ("checks/databases", "checks/indexes", "checks/limits", "checks/bloat", "checks/sizes", "checks/vacuum")
DATABASES += ("checks/statistics", "checks/sessions", "checks/statements", "checks/replication")


@pytest.fixture
def fresh(lab, tmp_path):
    """The lab's inventory with a new monitoring role, which has only the rights of the files."""
    inventory = lab.inventory(tmp_path / "fresh.toml")
    (tmp_path / "pgpass").touch(mode=0o600)
    (tmp_path / "pgpass").write_text("*:*:*:fresh_monitor:secret\n", encoding="utf-8")
    lines = inventory.read_text(encoding="utf-8").splitlines()
    text = "\n".join(
        f'dsn = "host=127.0.0.1 port={lab.postgres_port} dbname=metachat user=fresh_monitor passfile={tmp_path}/pgpass"'
        if line.startswith("dsn =")
        else line
        for line in lines
    )
    inventory.write_text(text, encoding="utf-8")
    files = samples.files(load(inventory).hosts["lab"])
    with lab.connect(SUPERUSER) as connection:
        connection.execute("VACUUM (ANALYZE)")  # a crash in an earlier test has reset the counters
        for name in ("monitor.sql", "recall.sql"):
            connection.execute(files[name].content.encode())
        connection.execute("ALTER ROLE fresh_monitor PASSWORD 'secret'")
    yield inventory
    with lab.connect(SUPERUSER) as connection:
        connection.execute("DROP OWNED BY fresh_monitor; DROP ROLE fresh_monitor")


def test_no_verdict_of_the_databases_is_unknown(fresh, tmp_path):
    rounds = Rounds(fresh, tmp_path / "reports", marker="daily or weekly or monthly")
    verdicts = rounds.run(options=DATABASES)
    assert len(verdicts) > 30
    unknown = {test: rounds.sentences[test] for test, verdict in verdicts.items() if verdict == "unknown"}
    patient = Patient(load(fresh).hosts["lab"], "")
    assert [each for each in unknown.values() if mend(patient, each) != AGAIN] == []
