"""The lab on Docker: its containers put together, started, healed and stopped."""

import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psycopg

from lab import credentials, lock, logs
from lab.docker import backups, containers, engine, images, passwords, server, ssh, work
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
    """The platform in miniature on this machine's Docker engine; `home` holds its keys and passwords."""

    def __init__(self, home: Path | str = HOME, say: Say = say_aloud) -> None:
        self.layout = DockerLayout(Path(home).expanduser().resolve())
        self.settling = Settling()
        self._say = say

    @property
    def home(self) -> Path:
        """The folder that holds the keys and passwords of this lab."""
        return self.layout.home

    @property
    def secrets(self) -> list[str]:
        """Every secret string of this lab; none of them may show up in a report or a log."""
        return passwords.load(self.layout).all

    @property
    def ssh(self) -> list[str]:
        """The command that logs in as the monitor; a command for the server may follow."""
        return ["ssh", "-F", str(self.layout.ssh / "config"), "-p", str(SSH_PORT), "ops@127.0.0.1"]

    def root(self, *command: str, container: str = VPS, text: str = "") -> str:
        """The output of a command as root in the server or another container; `text` goes to its input."""
        return self._in(container, "root", command, text)

    def ops(self, *command: str, text: str = "") -> str:
        """The output of a command as the monitor's login on the server."""
        return self._in(VPS, "ops", command, text)

    def deploy(self, *command: str, text: str = "") -> str:
        """The output of a command as the application's owner on the server, in its folder."""
        return self._in(VPS, "deploy", ("env", "-C", APP, "PM2_HOME=/home/deploy/.pm2", *command), text)

    def pm2(self, *arguments: str) -> str:
        """The output of the server's pm2. Asking starts a daemon when none runs."""
        return self.deploy("pm2", *arguments)

    def connect(self, role: str = "metachat") -> psycopg.Connection[tuple[Any, ...]]:
        """A session in autocommit mode, as superuser or as `metachat_app` or `opsproof_monitor`."""
        return questions.connect(role, passwords.load(self.layout).platform.passwords[role])

    def container(self, name: str) -> Container:
        """One of the containers, as the lab makes it."""
        return next(each for each in self._containers() if each.name == name)

    def faults(self, **switches: object) -> None:
        """Switches exactly these faults on, as `app/faults.js` describes them; without any, all are off."""
        if not switches:
            self.deploy("rm", "-f", "faults.json")
            return
        self.deploy("sh", "-c", "cat > .faults.new && mv .faults.new faults.json", text=json.dumps(switches))

    def renew_logs(self) -> None:
        """Puts a week of logs up to now in the place of those that the application has."""
        server.renew_logs()
        self.pm2("reloadLogs")

    def traffic(self, seconds: float = 2.0, requests: int = 400) -> dict[str, int]:
        """Sends a mix of requests until either bound is reached; the number of answers by status code."""
        return work.traffic(seconds, requests)

    def publish(self, messages: int = 54) -> None:
        """Sends messages into the inbound queues, one after the other."""
        work.publish(passwords.load(self.layout), messages)

    def inventory(self, path: Path) -> Path:
        """Writes a copy of inventory/lab-docker.toml that names this lab's home and can be read from any folder."""
        path.write_text(rewrite_inventory(INVENTORY.read_text(), self.home))
        return path

    def status(self) -> Status:
        """What works, asked without starting anything."""
        engine.require()
        return questions.ask(passwords.load(self.layout)) if self._made() else NOTHING

    def up(self) -> None:
        """Starts what does not run and heals what is broken; stops what it started when it fails or is interrupted."""
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
        """Stops everything and keeps the data, unless they are to be purged; fine when nothing runs."""
        engine.require()
        if not self.home.exists():
            self._say("nothing to stop: there is no docker lab")
            return
        text = "docker lab is down" + (" and its data, images and keys are gone" if purge else "")
        with lock.held(self.layout.lock), step(self._say, text):
            self._refuse_others(_refuse)
            self._stop(self._running())
            if purge:
                self._purge()

    def _up(self) -> None:
        ssh.prepare(self.layout)
        images.build(self.layout.builds, self._say)
        before = self.status()
        self._switch_off_faults()
        stale = self._stale()
        if before.up and not stale:
            self._say("docker lab is already up")
            self._freshen()
            return
        if self._running():
            self._say(f"healing: {', '.join(before.wrong + stale)}")
        # What Docker takes for sound and does not work will not come round by itself.
        stale += [name for name in before.to_blame if name in self._sound() and name not in stale]
        self._raise(stale)
        self._await(stale)
        images.prune()
        self._freshen()

    def _freshen(self) -> None:
        """A week of logs and of backups, and a drill on record among the reports of rounds that are run by hand."""
        if logs.are_old(self.deploy("ls", "logs").split()):
            with step(self._say, "seven days of logs written"):
                self.renew_logs()
        if not backups.are_fresh(self):
            with step(self._say, "a week of backups made"):
                backups.prepare(self)
        backups.practise(self, REPORTS)

    def _stale(self) -> list[str]:
        """Containers that are not there, or are not what they should be."""
        found, records = engine.containers(NAMES), self._records()
        return [each.name for each in self._containers() if self._differs(each, found, records)]

    def _differs(self, container: Container, found: Found, records: Mapping[str, Mapping[str, str]]) -> bool:
        known = records.get(container.name)
        if known is None or container.name not in found:
            return True
        return known["wanted"] != container.wanted() or known["made"] != containers.made(found[container.name])

    def _raise(self, stale: list[str]) -> None:
        """Makes anew what is stale, and gets the others going."""
        if not engine.exists("network", NETWORK):
            engine.run("network", "create", *containers.LABEL, NETWORK)
        with step(self._say, f"containers started{', new ones: ' * bool(stale)}{', '.join(stale)}"):
            for container in self._containers():
                if container.name in stale:
                    self._create(container)
            for name, found in engine.containers(NAMES).items():
                _get_going(name, found["State"])

    def _create(self, container: Container) -> None:
        container.create(str(self.home))
        if container.name == VPS:
            server.furnish(self.layout, passwords.load(self.layout))
        self._record(container)

    def _await(self, renewed: list[str]) -> None:
        """Waits until everything works; what does not get there is made anew, once."""
        found = self._wait()
        again = [name for name in found.to_blame if name not in renewed]
        if again:
            self._say(f"healing: {', '.join(found.wrong)}")
            self._raise(again)
            found = self._wait()
        if not found.up:
            raise LabError(f"not working after {WORKS_WITHIN_S} s: {', '.join(found.wrong)}: see docker logs")

    def _wait(self) -> Status:
        """What works once all does, or when the time for it is over."""

        def works() -> Status | None:
            # While a container does not work, nobody asks the others: that would slow it down.
            found = self.status() if set(self._sound()) == set(NAMES) else NOTHING
            return found if found.up else None

        with suppress(LabError):
            if found := wait_until(works, "everything works", WORKS_WITHIN_S, every_s=0.5):
                return found
        return self.status()

    def _switch_off_faults(self) -> None:
        if VPS not in self._sound() or "faults.json" not in self.deploy("ls"):
            return
        self.faults()
        self._say("faults switched off")

    def _refuse_others(self, refuse: Callable[[str, Path], None]) -> None:
        """Containers of the same names that somebody else made are not ours to touch; another lab's may be."""
        for name, found in engine.containers(NAMES).items():
            labels = found["Config"]["Labels"] or {}
            if labels.get(OWNER_LABEL) != "docker":
                raise LabError(f"the container {name} is not the lab's: rename it or remove it")
            owner = labels.get(HOME_LABEL, str(self.home))
            if owner != str(self.home) and Path(owner).exists():
                refuse(name, Path(owner))

    def _refuse_in_use(self, name: str, owner: Path) -> None:
        """An engine has room for one lab: that of another checkout gives way, unless somebody uses it."""
        layout = DockerLayout(owner)
        for path in (layout.lock, layout.session_lock):
            if path.exists():
                with lock.held(path):
                    continue
        self._say(f"taking over {name} from the lab in {owner}")

    def _containers(self) -> tuple[Container, ...]:
        return containers.all_of(passwords.load(self.layout))

    def _made(self) -> bool:
        return self.layout.secrets.exists() and bool(engine.containers(NAMES))

    def _running(self) -> list[str]:
        return [name for name, found in engine.containers(NAMES).items() if found["State"]["Running"]]

    def _sound(self) -> list[str]:
        return [name for name, found in engine.containers(NAMES).items() if questions.is_sound(found)]

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
        """Keeps how the container was made, to notice when it is not so any more."""
        found = engine.containers([container.name])[container.name]
        entry = {"wanted": container.wanted(), "made": containers.made(found)}
        credentials.write_private(self.layout.state, json.dumps(self._records() | {container.name: entry}, indent=2))

    @staticmethod
    def _in(container: str, user: str, command: tuple[str, ...], text: str) -> str:
        return engine.run("exec", "--interactive", "--user", user, container, *command, data=text.encode())


def _refuse(name: str, owner: Path) -> None:
    raise LabError(f"the container {name} belongs to the lab in {owner}: stop that one")


def rewrite_inventory(text: str, home: Path) -> str:
    """The inventory with absolute paths: the limits it extends, and the lab's home."""
    limits = REPOSITORY / "inventory"
    text = re.sub(r'extends = "([^/"]+)"', lambda found: f"extends = {json.dumps(str(limits / found[1]))}", text)
    return re.sub(r'(?<=["=])\.lab/docker(?=[/"])', lambda _: str(home), text)


def _get_going(name: str, state: Mapping[str, Any]) -> None:
    """Whatever state a container is in, it runs afterwards."""
    if state["Paused"]:
        engine.run("unpause", name)
    elif not state["Running"]:
        engine.run("start", name)
    elif state.get("Health", {}).get("Status") == "unhealthy" or state["Restarting"]:
        engine.run("restart", "--time=5", name)
