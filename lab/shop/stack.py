"""The shop: makes, starts, heals and stops a Debian server with systemd, without Docker."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from lab import lock, ssh
from lab.errors import LabError
from lab.layout import REPOSITORY
from lab.progress import Say, say_aloud, step
from lab.settling import Settling
from lab.shop import history, rights, status, system
from lab.shop.layout import ADDRESS, CLUSTERS, HOME, ShopLayout
from lab.shop.machine import Machine
from lab.shop.status import Status
from lab.waiting import wait_until

WORKS_WITHIN_S = 90
INVENTORY = REPOSITORY / "inventory" / "lab-shop.toml"
TOOLS = ("unshare", "nsenter", "ip", "ssh-keygen")
ORDERS = """
seq "$1" | timeout "$2" xargs -I@ -P4 sh -c 'curl --silent --output /dev/null --max-time 3 --write-out "%{http_code} " \
    http://127.0.0.1:8000/orders --next --silent --output /dev/null --max-time 3 --write-out "%{http_code} " \
    --data "" http://127.0.0.1:8000/orders'
true
"""


def missing() -> str:
    """What the machine lacks for a shop; empty if nothing."""
    if os.geteuid() != 0:
        return "root"
    return ", ".join(name for name in TOOLS if not shutil.which(name))


class ShopLab:
    """The shop on this machine; `home` holds its file system, keys and passwords."""

    def __init__(self, home: Path | str = HOME, say: Say = say_aloud) -> None:
        self.layout = ShopLayout(Path(home).expanduser().resolve())
        self.machine = Machine(self.layout.root, self.layout.state, self.layout.log)
        self.settling = Settling()
        self._say = say

    @property
    def secrets(self) -> list[str]:
        """All secrets of the lab; reports and logs must never contain them."""
        return list(rights.passwords(self.layout).values())

    @property
    def ssh(self) -> list[str]:
        """The ssh command of the monitor's login; append a command to run in the shop."""
        return ["ssh", "-F", str(self.layout.ssh / "config"), f"ops@{ADDRESS}"]

    def root(self, *command: str, text: str = "") -> str:
        """Runs a command as root in the shop, with `text` as input; returns the output."""
        return self.machine.run(*command, text=text)

    def ops(self, *command: str, text: str = "") -> str:
        """Runs a command as the monitor's login in the shop; returns the output."""
        return self.machine.run(*command, user="ops", text=text)

    def sql(self, statement: str, database: str = "shop") -> str:
        """Runs a statement as superuser; returns unaligned output, with | between fields."""
        _, port = CLUSTERS[database]
        words = ("psql", "-XAtqw", "-v", "ON_ERROR_STOP=1", "-p", str(port), "-d", database)
        return self.machine.run(*words, user="postgres", text=statement).strip()

    def traffic(self, seconds: float = 2.0, requests: int = 400) -> dict[str, int]:
        """Sends visits and orders until either bound is reached; returns the number of answers by status code."""
        codes = self.root("sh", "-c", ORDERS, "sh", str(requests // 2), str(seconds)).split()
        return {code: codes.count(code) for code in set(codes)}

    def renew_logs(self) -> None:
        """Replaces the logs' history by a week up to now."""
        history.write(self.layout.root / "var/log")

    def inventory(self, path: Path) -> Path:
        """Writes a copy of inventory/lab-shop.toml with the lab's home and absolute paths."""
        text = INVENTORY.read_text().replace('extends = "', f'extends = "{REPOSITORY}/inventory/')
        path.write_text(re.sub(r'(?<=["=])/?\.lab/shop(?=/)', lambda _: str(self.layout.home), text))
        return path

    def status(self) -> Status:
        """Which parts work; starts nothing."""
        return status.ask(self.machine)

    def up(self) -> None:
        """Starts the shop, and heals it if a part is broken; makes it anew if its sources have changed."""
        if lacks := missing():
            raise LabError(f"the shop needs {lacks}: run as root, with util-linux, iproute2 and openssh-client")
        self.layout.create()
        title = f"shop is up: {' '.join(self.ssh)}"
        with lock.held(self.layout.lock), step(self._say, title):
            ssh.prepare(self.layout.ssh, ADDRESS)
            self.inventory(self.layout.home / "inventory.toml")
            self._up()

    def down(self, purge: bool = False) -> None:
        """Stops the shop; keeps its files unless `purge`. Does nothing if nothing runs."""
        if not self.layout.home.exists():
            self._say("nothing to stop: no shop found")
            return
        with lock.held(self.layout.lock), step(self._say, "shop is down" + ", files and keys deleted" * purge):
            self.machine.halt()
            if purge:
                with lock.held(self.machine.lock):
                    shutil.rmtree(self.layout.home)

    def _up(self) -> None:
        is_new = not self._mark.exists() or self._mark.read_text() != system.fingerprint()
        if not is_new and self.status().up:
            self._say("shop is already up")
            return
        self.machine.halt()
        with lock.held(self.machine.lock):
            if is_new:
                self._make()
            self.renew_logs()
        self._boot(is_new=is_new)

    def _make(self) -> None:
        """Makes the file system, in place of one of other sources, or of one never completed."""
        self._mark.unlink(missing_ok=True)
        shutil.rmtree(self.layout.root, ignore_errors=True)
        system.build(self.layout.root, self.layout.log, self._say)
        rights.put_keys(self.layout, self.machine)

    def _boot(self, *, is_new: bool) -> None:
        try:
            self.machine.boot()
            if is_new:
                self._fill()
            self._await()
        except BaseException:
            self.machine.halt()
            raise
        self._mark.write_text(system.fingerprint())

    def _fill(self) -> None:
        with step(self._say, "databases made, rights installed"), tempfile.TemporaryDirectory() as folder:
            wait_until(self._servers_accept, "both clusters accept connections", WORKS_WITHIN_S, every_s=0.2)
            rights.make_databases(self.machine)
            inventory = self.inventory(Path(folder) / "inventory.toml")
            words = ("privileges", f"--inventory={inventory}", f"--into={folder}/rights")
            subprocess.run([sys.executable, "-m", "opsproof", *words], check=True, stdout=subprocess.DEVNULL)
            rights.install(self.layout, self.machine, Path(folder) / "rights" / "shop")
            self.root("systemctl", "restart", "shop", "shop-digest")

    def _servers_accept(self) -> bool:
        with suppress(LabError):
            for _, port in CLUSTERS.values():
                self.root("pg_isready", "--quiet", "--port", str(port))
            return True
        return False

    def _await(self) -> None:
        with suppress(LabError):
            wait_until(lambda: self.status().up, "the shop works", WORKS_WITHIN_S, every_s=0.3)
            return
        raise LabError(f"not working after {WORKS_WITHIN_S} s: {', '.join(self._broken())}: see {self.layout.log}")

    def _broken(self) -> list[str]:
        return [name for name, works in vars(self.status()).items() if not works]

    @property
    def _mark(self) -> Path:
        """The fingerprint of the sources of a complete file system."""
        return self.layout.home / "sources"
