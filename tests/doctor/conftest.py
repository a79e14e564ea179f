"""The lab with a new monitoring role that may only log in."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.postgres import SUPERUSER
from tests.proving.rounds import Rounds

MARKER = "daily or weekly or monthly or quarterly or predeploy or postdeploy"


@dataclass(frozen=True)
class Newcomer:
    """The inventory with the new role, the rounds with it, and the environment of an administrator."""

    inventory: Path
    rounds: Rounds
    environment: dict[str, str]

    def unknown(self) -> dict[str, str]:
        """The unknown checks of a run of all rounds, with their sentences."""
        verdicts = self.rounds.run()
        return {test: self.rounds.sentences[test] for test, verdict in verdicts.items() if verdict == "unknown"}


@pytest.fixture
def newcomer(lab, tmp_path):
    inventory = lab.inventory(tmp_path / "new.toml")
    (tmp_path / "pgpass").touch(mode=0o600)
    (tmp_path / "pgpass").write_text("*:*:*:newcomer:secret\n", encoding="utf-8")
    dsn = f"host=127.0.0.1 port={lab.postgres_port} dbname=metachat user=newcomer passfile={tmp_path}/pgpass"
    lines = inventory.read_text(encoding="utf-8").splitlines()
    text = "\n".join(f'dsn = "{dsn}"' if line.startswith("dsn =") else line for line in lines)
    inventory.write_text(text, encoding="utf-8")
    with lab.connect(SUPERUSER) as connection:
        connection.execute("VACUUM (ANALYZE)")  # a crash in an earlier test has reset the counters
        connection.execute("CREATE ROLE newcomer LOGIN PASSWORD 'secret'; DROP EXTENSION IF EXISTS pgstattuple")
    environment = {"PGPASSFILE": str(lab.layout.secrets / "pgpass-metachat")}
    yield Newcomer(inventory, Rounds(inventory, tmp_path / "reports", marker=MARKER), environment)
    with lab.connect(SUPERUSER) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pgstattuple; DROP OWNED BY newcomer; DROP ROLE newcomer")
