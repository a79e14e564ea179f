"""Paths of a lab."""

import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

SOURCE = Path(__file__).parent
REPOSITORY = SOURCE.parent
DEFAULT_HOME = REPOSITORY / ".lab"
DEFAULT_API_PORT = 43000
DEFAULT_POSTGRES_PORT = 45432
DEFAULT_RELAY_PORT = 43001


@dataclass(frozen=True)
class Layout:
    """Paths under the absolute home folder."""

    home: Path

    @cached_property
    def bin(self) -> Path:
        """Links to the lab's node, npm and pm2, to prepend to PATH."""
        return self.home / "bin"

    @cached_property
    def app(self) -> Path:
        """The Node application with node_modules and logs."""
        return self.home / "app"

    @cached_property
    def logs(self) -> Path:
        """The log files of the API and the worker, current and rotated."""
        return self.app / "logs"

    @cached_property
    def storage(self) -> Path:
        """Files of the application that no database holds."""
        return self.app / "storage"

    @cached_property
    def env(self) -> Path:
        """The settings of the application, for the owner only."""
        return self.app / ".env"

    @cached_property
    def faults(self) -> Path:
        """The fault switches, read by both processes; absent means healthy."""
        return self.app / "faults.json"

    @cached_property
    def pm2(self) -> Path:
        """PM2_HOME."""
        return self.home / "pm2"

    @cached_property
    def secrets(self) -> Path:
        """Generated passwords and tokens, for the owner only."""
        return self.home / "secrets"

    @cached_property
    def pgpass(self) -> Path:
        """The libpq password file of the monitoring role."""
        return self.secrets / "pgpass"

    @cached_property
    def backups(self) -> Path:
        """The backups of the database, for the owner only."""
        return self.home / "backups"

    @cached_property
    def elsewhere(self) -> Path:
        """Off-site copies of backups; stands in for another machine."""
        return self.home / "elsewhere"

    @cached_property
    def reports(self) -> Path:
        """The reports of the proof, with the journal of actions."""
        return self.home / "reports"

    @cached_property
    def journal(self) -> Path:
        """The journal of the actions among the proof's reports."""
        return self.reports / "journal.jsonl"

    @cached_property
    def schedule(self) -> Path:
        """The record of the schedule, and the claim of the host."""
        return self.home / "schedule"

    @cached_property
    def state(self) -> Path:
        """State of the lab, as JSON."""
        return self.home / "lab.json"

    @cached_property
    def relay(self) -> Path:
        """The PID file of the relay."""
        return self.home / "relay.pid"

    @cached_property
    def inventory(self) -> Path:
        """The inventory of the lab's schedule."""
        return self.home / "schedule.toml"

    @cached_property
    def lock(self) -> Path:
        """The lock held by up and down."""
        return self.home / "lab.lock"

    def create(self) -> None:
        """Creates the folders, and files of tenants; PostgreSQL's user can reach the data folder."""
        for folder in (self.home, self.bin, self.app, self.logs, self.pm2, self.storage / "tenants"):
            folder.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o755)
        for folder in (self.secrets, self.backups, self.elsewhere):
            folder.mkdir(mode=0o700, exist_ok=True)
        for number in range(3):
            logo = self.storage / "tenants" / f"logo {number}.svg"
            if not logo.exists():
                logo.write_text(f"<svg>{number}</svg>\n" * 50)

    def remove(self) -> None:
        """Deletes all files of the lab, and the home folder if no foreign files remain there."""
        for folder in (
            self.bin,
            self.app,
            self.pm2,
            self.secrets,
            self.backups,
            self.elsewhere,
            self.reports,
            self.schedule,
        ):
            shutil.rmtree(folder, ignore_errors=True)
        for file in (self.state, self.relay, self.lock, self.inventory):
            file.unlink(missing_ok=True)
        if not any(self.home.iterdir()):
            self.home.rmdir()
