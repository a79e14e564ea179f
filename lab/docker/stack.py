"""The lab on Docker: creates, starts, heals and stops the containers."""

import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psycopg

from lab import credentials, lock, logs, ssh
from lab.docker import backups, containers, engine, images, passwords, server, work
from lab.docker import status as questions
from lab.docker.containers import Container
from lab.docker.layout import APP, HOME, HOME_LABEL, NAMES, NETWORK, OWNER_LABEL, SSH_PORT, VPS, DockerLayout
from lab.docker.status import NOTHING, Status
from lab.errors import LabError
from lab.layout import REPOSITORY
from lab.progress import Say, say_aloud, step
from lab.settling import Settling
from lab.waiting import wait_until

WORKS_WITHIN_S = 45
REPORTS = REPOSITORY / "reports"
INVENTORY = REPOSITORY / "inventory" / "lab-docker.toml"

Found = Mapping[str, Mapping[str, Any]]


class DockerLab:
    """The platform in miniature on the local Docker engine; `home` holds keys and passwords."""

    def __init__(self, home: Path | str = HOME, say: Say = say_aloud) -> None:
        self.layout = DockerLayout(Path(home).expanduser().resolve())
        self.settling = Settling()
        self._say = say

    @property
    def home(self) -> Path:
        """The folder with the lab's keys and passwords."""
        return self.layout.home

    @property
    def secrets(self) -> list[str]:
        """All secrets of the lab; reports and logs must never contain them."""
        return passwords.load(self.layout).all

    @property
    def ssh(self) -> list[str]:
        """The ssh command of the monitor's login; append a command to run on the server."""
        return ["ssh", "-F", str(self.layout.ssh / "config"), "-p", str(SSH_PORT), "ops@127.0.0.1"]

    def root(self, *command: str, container: str = VPS, text: str = "") -> str:
        """Runs a command as root in a container, the server by default, with `text` as input; returns the output."""
        return self._exec(container, "root", command, text)

    def ops(self, *command: str, text: str = "") -> str:
        """Runs a command as the monitor's login on the server; returns the output."""
        return self._exec(VPS, "ops", command, text)

    def deploy(self, *command: str, text: str = "") -> str:
        """Runs a command as the application's owner in the application's folder; returns the output."""
        return self._exec(VPS, "deploy", ("env", "-C", APP, "PM2_HOME=/home/deploy/.pm2", *command), text)

    def pm2(self, *arguments: str) -> str:
        """Runs pm2 on the server and returns the output. Starts a daemon if none runs."""
        return self.deploy("pm2", *arguments)

    def connect(self, role: str = "metachat") -> psycopg.Connection[tuple[Any, ...]]:
        """A session in autocommit mode, as superuser, `metachat_app` or `opsproof_monitor`."""
        return questions.connect(role, passwords.load(self.layout).platform.passwords[role])

    def container(self, name: str) -> Container:
        """A container by name, as defined by the lab."""
        return next(each for each in self._containers() if each.name == name)

    def faults(self, **switches: object) -> None:
        """Switches exactly the given faults on, described in `app/faults.js`; without arguments, all off."""
        if not switches:
            self.deploy("rm", "-f", "faults.json")
            return
        self.deploy("sh", "-c", "cat > .faults.new && mv .faults.new faults.json", text=json.dumps(switches))

    def renew_logs(self) -> None:
        """Replaces the application's logs by a week of logs up to now."""
        server.renew_logs()
        self.pm2("reloadLogs")

    def traffic(self, seconds: float = 2.0, requests: int = 400) -> dict[str, int]:
        """Sends a mix of requests until either bound is reached; returns the number of answers by status code."""
        return work.traffic(seconds, requests)

    def publish(self, messages: int = 54) -> None:
        """Sends messages to the inbound queues in turn."""
        work.publish(passwords.load(self.layout), messages)

    def inventory(self, path: Path) -> Path:
        """Writes a copy of inventory/lab-docker.toml with the lab's home and absolute paths."""
        path.write_text(rewrite_inventory(INVENTORY.read_text(), self.home))
        return path

    def status(self) -> Status:
        """Which parts work; starts nothing."""
        engine.require()
        return questions.ask(passwords.load(self.layout)) if self._exists() else NOTHING

    def up(self) -> None:
        """Starts stopped parts and heals broken parts; on failure or interruption, stops all that were started."""
        engine.require()
        self.layout.create()
        with (
            lock.held(self.layout.lock),
            step(self._say, f"docker lab is up: ssh -F {self.layout.ssh / 'config'} -p {SSH_PORT} ops@127.0.0.1"),
            ExitStack() as undo,
        ):
            self._refuse_others(self._refuse_in_use)
            undo.callback(self._stop_started, self._running())
            self._up()
            undo.pop_all()

    def down(self, purge: bool = False) -> None:
        """Stops everything; keeps the data unless `purge`. Does nothing if nothing runs."""
        engine.require()
        if not self.home.exists():
            self._say("nothing to stop: no docker lab found")
            return
        text = "docker lab is down" + (", data, images and keys deleted" if purge else "")
        with lock.held(self.layout.lock), step(self._say, text):
            self._refuse_others(_refuse)
            self._stop(self._running())
            if purge:
                self._purge()

    def _up(self) -> None:
        ssh.prepare(self.layout.ssh, f"[127.0.0.1]:{SSH_PORT}")
        images.build(self.layout.builds, self._say)
        before = self.status()
        self._switch_off_faults()
        stale = self._stale()
        if before.up and not stale:
            self._say("docker lab is already up")
            self._renew_old_data()
            return
        if self._running():
            self._say(f"healing: {', '.join(before.wrong + stale)}")
        # Recreate containers that Docker reports as healthy but that do not work: they will not recover.
        stale += [name for name in before.to_blame if name in self._healthy() and name not in stale]
        self._start_containers(stale)
        self._await(stale)
        images.prune()
        self._renew_old_data()

    def _renew_old_data(self) -> None:
        """Renews old logs and backups, and adds a drill to the journal used by manual rounds."""
        if logs.are_old(self.deploy("ls", "logs").split()):
            with step(self._say, "seven days of logs written"):
                self.renew_logs()
        if not backups.are_fresh(self):
            with step(self._say, "a week of backups made"):
                backups.prepare(self)
        backups.ensure_drill(self, REPORTS)

    def _stale(self) -> list[str]:
        """Containers that are missing or differ from their definition."""
        found, records = engine.containers(NAMES), self._records()
        return [each.name for each in self._containers() if self._differs(each, found, records)]

    def _differs(self, container: Container, found: Found, records: Mapping[str, Mapping[str, str]]) -> bool:
        known = records.get(container.name)
        if known is None or container.name not in found:
            return True
        return known["wanted"] != container.definition_hash() or known["made"] != containers.setup_hash(
            found[container.name]
        )

    def _start_containers(self, stale: list[str]) -> None:
        """Recreates stale containers and starts the rest."""
        if not engine.exists("network", NETWORK):
            engine.run("network", "create", *containers.LABEL, NETWORK)
        with step(self._say, f"containers started{', recreated: ' * bool(stale)}{', '.join(stale)}"):
            for container in self._containers():
                if container.name in stale:
                    self._create(container)
            for name, found in engine.containers(NAMES).items():
                _start(name, found["State"])

    def _create(self, container: Container) -> None:
        container.create(str(self.home))
        if container.name == VPS:
            server.copy_files(self.layout, passwords.load(self.layout))
        self._record(container)

    def _await(self, renewed: list[str]) -> None:
        """Waits until everything works; recreates broken containers, once."""
        found = self._wait()
        again = [name for name in found.to_blame if name not in renewed]
        if again:
            self._say(f"healing: {', '.join(found.wrong)}")
            self._start_containers(again)
            found = self._wait()
        if not found.up:
            raise LabError(f"not working after {WORKS_WITHIN_S} s: {', '.join(found.wrong)}: see docker logs")

    def _wait(self) -> Status:
        """The status as soon as everything works, or after the timeout."""

        def works() -> Status | None:
            # Query the parts only once all containers are healthy: queries would slow down their start.
            found = self.status() if set(self._healthy()) == set(NAMES) else NOTHING
            return found if found.up else None

        with suppress(LabError):
            if found := wait_until(works, "everything works", WORKS_WITHIN_S, every_s=0.5):
                return found
        return self.status()

    def _switch_off_faults(self) -> None:
        if VPS not in self._healthy() or "faults.json" not in self.deploy("ls"):
            return
        self.faults()
        self._say("faults switched off")

    def _refuse_others(self, refuse: Callable[[str, Path], None]) -> None:
        """Raises LabError for foreign containers of the same names; calls `refuse` for containers of another lab."""
        for name, found in engine.containers(NAMES).items():
            labels = found["Config"]["Labels"] or {}
            if labels.get(OWNER_LABEL) != "docker":
                raise LabError(f"the container {name} does not belong to the lab: rename or remove the container")
            owner = labels.get(HOME_LABEL, str(self.home))
            if owner != str(self.home) and Path(owner).exists():
                refuse(name, Path(owner))

    def _refuse_in_use(self, name: str, owner: Path) -> None:
        """An engine runs a single lab: take over from another checkout's lab, unless in use."""
        layout = DockerLayout(owner)
        for path in (layout.lock, layout.session_lock):
            if path.exists():
                with lock.held(path):
                    continue
        self._say(f"taking over {name} from the lab in {owner}")

    def _containers(self) -> tuple[Container, ...]:
        return containers.all_of(passwords.load(self.layout))

    def _exists(self) -> bool:
        return self.layout.secrets.exists() and bool(engine.containers(NAMES))

    def _running(self) -> list[str]:
        return [name for name, found in engine.containers(NAMES).items() if found["State"]["Running"]]

    def _healthy(self) -> list[str]:
        return [name for name, found in engine.containers(NAMES).items() if questions.is_healthy(found)]

    def _stop_started(self, before: Iterable[str]) -> None:
        self._stop([name for name in self._running() if name not in before])

    def _stop(self, names: list[str]) -> None:
        for name, found in engine.containers(names).items():
            if found["State"]["Paused"]:
                engine.run("unpause", name)
        if names:
            engine.run("stop", "--time=10", *names, timeout_s=90)

    def _purge(self) -> None:
        for container in self._containers():
            container.remove()
        if engine.exists("network", NETWORK):
            with suppress(LabError):
                engine.run("network", "rm", NETWORK)
        images.remove()
        for folder in (self.layout.ssh, self.layout.secrets, self.layout.builds):
            shutil.rmtree(folder, ignore_errors=True)
        self.layout.remove()

    def _records(self) -> dict[str, dict[str, str]]:
        try:
            found: dict[str, dict[str, str]] = json.loads(self.layout.state.read_text())
        except (OSError, ValueError):
            return {}
        return found

    def _record(self, container: Container) -> None:
        """Records the container's setup, to notice later changes."""
        found = engine.containers([container.name])[container.name]
        entry = {"wanted": container.definition_hash(), "made": containers.setup_hash(found)}
        credentials.write_private(self.layout.state, json.dumps(self._records() | {container.name: entry}, indent=2))

    @staticmethod
    def _exec(container: str, user: str, command: tuple[str, ...], text: str) -> str:
        return engine.run("exec", "--interactive", "--user", user, container, *command, data=text.encode())


def _refuse(name: str, owner: Path) -> None:
    raise LabError(f"the container {name} belongs to the lab in {owner}: stop that lab")


def rewrite_inventory(text: str, home: Path) -> str:
    """The inventory with absolute paths to the extended limits and the lab's home."""
    limits = REPOSITORY / "inventory"
    text = re.sub(r'extends = "([^/"]+)"', lambda found: f"extends = {json.dumps(str(limits / found[1]))}", text)
    return re.sub(r'(?<=["=])\.lab/docker(?=[/"])', lambda _: str(home), text)


def _start(name: str, state: Mapping[str, Any]) -> None:
    """Unpauses, starts or restarts a container, whatever its state requires."""
    if state["Paused"]:
        engine.run("unpause", name)
    elif not state["Running"]:
        engine.run("start", name)
    elif state.get("Health", {}).get("Status") == "unhealthy" or state["Restarting"]:
        engine.run("restart", "--time=5", name)
