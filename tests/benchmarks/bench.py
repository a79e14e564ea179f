"""What every benchmark is given: a live lab of its own, a folder, and how often to measure."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from measure import ENVIRONMENT, Spent, spend

from lab import Lab, lock, ports
from lab.layout import DEFAULT_HOME

HOME = DEFAULT_HOME / "bench"


@dataclass(frozen=True)
class Bench:
    """A healthy lab with traffic behind it, its inventory, a folder for reports, and runs of each side."""

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
        """What a daily round costs as a whole process: it ended as it must, and its report is written."""
        options = ["-m", "daily", f"--inventory={inventory or self.inventory}", f"--reports={self.folder}/reports"]
        return spend([sys.executable, "-m", "pytest", *options, *words], statuses=statuses)

    def action(self, name: str, *more: str) -> Spent:
        """What an action costs that is done."""
        where = [f"--inventory={self.inventory}", f"--reports={self.folder}/reports", "--apply"]
        return spend([sys.executable, f"actions/{name}.py", *where, *more])

    def psql(self, statements: str, database: str = "metachat") -> Spent:
        """What it costs when psql has the lab's superuser run statements, all of them."""
        where = {"PGHOST": "127.0.0.1", "PGPORT": str(self.lab.postgres_port), "PGUSER": "metachat"}
        secret = {"PGPASSFILE": str(self.lab.layout.secrets / "pgpass-metachat")}
        words = ["psql", "--dbname", database, "--set=ON_ERROR_STOP=1", "--command", statements]
        return spend(words, environment={**ENVIRONMENT, **self.lab.env, **where, **secret})


@contextmanager
def started(runs: int) -> Iterator[Bench]:
    """A lab on free ports, started and then stopped whatever happens; its data are kept for the next time."""
    with lock.held(HOME / "session.lock"), tempfile.TemporaryDirectory(prefix="bench-") as folder:
        Lab(HOME).down()
        lab = Lab(HOME, ports.free(), ports.free())
        try:
            lab.up()
            lab.traffic()
            yield Bench(lab, lab.inventory(Path(folder) / "lab.toml"), Path(folder), runs)
        finally:
            lab.down()
