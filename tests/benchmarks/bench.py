"""The environment of every benchmark: a live lab, a folder, and the number of runs."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from measure import ENVIRONMENT, Spent, spend

from lab import Lab, backups, lock, ports
from lab.layout import DEFAULT_HOME

HOME = DEFAULT_HOME / "bench"


@dataclass(frozen=True)
class Bench:
    """A healthy lab after some traffic, its inventory, a folder for reports, and the number of runs per side."""

    lab: Lab
    inventory: Path
    folder: Path
    runs: int

    def within(self, name: str) -> "Bench":
        """A copy with an empty subfolder: leftovers of one benchmark must not reach the next."""
        folder = self.folder / name
        folder.mkdir()
        return replace(self, folder=folder)

    def daily(self, *words: str, inventory: Path | None = None, statuses: tuple[int, ...] = (0,)) -> Spent:
        """Measures a daily round as a whole process, including its report."""
        options = ["-m", "daily", f"--inventory={inventory or self.inventory}", f"--reports={self.folder}/reports"]
        return spend([sys.executable, "-m", "pytest", *options, *words], statuses=statuses)

    def action(self, name: str, *more: str) -> Spent:
        """Measures a successful action."""
        where = [f"--inventory={self.inventory}", f"--reports={self.folder}/reports", "--apply"]
        return spend([sys.executable, f"actions/{name}.py", *where, *more])

    def psql(self, statements: str, database: str = "metachat") -> Spent:
        """Measures psql running statements as the lab's superuser."""
        where = {"PGHOST": "127.0.0.1", "PGPORT": str(self.lab.postgres_port), "PGUSER": "metachat"}
        secret = {"PGPASSFILE": str(self.lab.layout.secrets / "pgpass-metachat")}
        words = ["psql", "--dbname", database, "--set=ON_ERROR_STOP=1", "--command", statements]
        return spend(words, environment={**ENVIRONMENT, **self.lab.env, **where, **secret})


@contextmanager
def started(runs: int) -> Iterator[Bench]:
    """Starts a lab on free ports and always stops the lab; keeps the data for the next run."""
    with lock.held(HOME / "session.lock"), tempfile.TemporaryDirectory(prefix="bench-") as folder:
        Lab(HOME).down()
        lab = Lab(HOME, ports.free(), ports.free())
        try:
            lab.up()
            lab.traffic()
            inventory = lab.inventory(Path(folder) / "lab.toml")
            inventory.write_text(backups.without_files(inventory.read_text()))
            yield Bench(lab, inventory, Path(folder), runs)
        finally:
            lab.down()
