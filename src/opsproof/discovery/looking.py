"""The commands that look at a host in a round trip, and the parsers of their answers."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from opsproof.core import scripts
from opsproof.core.errors import MeasurementError
from opsproof.discovery import toml, units
from opsproof.discovery.rights import LISTED, Rights
from opsproof.discovery.sight import Entry, Sight, Unseen
from opsproof.facts.containers import ContainerNames
from opsproof.facts.listeners import SOCKETS
from opsproof.inventory.hosts import Host
from opsproof.transport import shell
from opsproof.transport.shell import Answer, Command, argv, labelled

VIRTUAL = {"tmpfs", "devtmpfs", "overlay", "squashfs", "proc", "sysfs", "efivarfs", "ramfs", "nsfs", "fuse.lxcfs"}
OF_CONTAINERS = {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/run/docker.sock", "/var/run/docker.sock"}
"""Files that Docker mounts into a container."""
ROOT = "root"
OF_ERRORS: dict[str, toml.Value] = {
    "log_silence": {"should": "< 3650d", "source": "silent while nothing goes wrong"},
    "rotated_history": {"should": ">= 0s", "source": "empty while nothing goes wrong"},
}
_OF_ERRORS = re.compile(r"(^|[^a-z])(stderr|errors?|err)([^a-z]|$)", re.IGNORECASE)
"""The name of a file with errors alone: api-error.log, stderr.log, out_err-0.log."""


@dataclass(frozen=True)
class Daemon:
    """A PM2 daemon: its user, PM2_HOME, the folder of the command pm2, and the list; empty if it is hidden."""

    user: str
    home: str
    folder: str
    listed: str


def asked(host: Host, commands: Mapping[str, Command]) -> dict[str, Answer]:
    """The answers of `host` to `commands`, by name, from one round trip; none without commands.

    Raises:
        HostUnreachable: the host did not answer.
    """
    answers = shell.run(host, tuple(commands.values())) if commands else []
    return dict(zip(commands, answers, strict=True))


def commands() -> dict[str, Command]:
    """The fixed commands of the first round trip, by name; each only reads."""
    words = "{{json .Names}} {{json .State}} {{json .Image}} {{json .Ports}}"
    return {
        "host": argv("uname", "-n"),
        "login": argv("id", "-un"),
        "sudo": LISTED,
        "configured": argv("perl", "-e", scripts.perl("discovery/configured"), timeout_s=30),
        **programs(),
        "plain": argv("perl", "-e", scripts.perl("facts/process_tree", "discovery/plain_processes"), timeout_s=30),
        "ports": SOCKETS,
        "mounts": argv("cat", "/proc/self/mounts"),
        "units": units.SHOW,
        "lingering": argv("ls", "/var/lib/systemd/linger"),
        "docker": argv("docker", "ps", "--all", "--format", words),
        "clock": argv("timedatectl", "show", "--property=NTP", "--value"),
        "cron": argv("crontab", "-l"),
    }


def programs(user: str = "") -> dict[str, Command]:
    """The programs for the processes of `user`, by name."""
    pm2 = scripts.perl("facts/json_text", "facts/pm2_daemon", "facts/pm2_list")
    return {
        "look": argv("perl", "-e", scripts.perl("discovery/look"), timeout_s=30, user=user),
        "pm2": argv("perl", "-e", scripts.perl("discovery/pm2_daemons"), pm2, timeout_s=30, user=user),
    }


def described(answer: Answer) -> dict[str, list[str]]:
    """The lines of look.pl or configured.pl, by label.

    Raises:
        MeasurementError: perl is missing, or the lines were cut short.
    """
    return labelled(answer.require("looking at the host").stdout, "the description of the host")


def owner(answers: Mapping[str, Answer], rights: Rights) -> str:
    """The user whose hidden processes sudo permits to see: of PM2, else the user with most; empty if none."""
    if rights.login == ROOT:
        return ""
    hidden = [each.user for each in daemons(answers["pm2"]) if not each.listed]
    counts = sorted((-count, user) for user, count in others(described(answers["look"])).items())
    wanted = [*hidden, *([ROOT] if rights.permit(ROOT, "perl") else []), *(user for _, user in counts)]
    return next((each for each in wanted if each != rights.login and rights.permit(each, "perl")), "")


def others(found: Mapping[str, list[str]]) -> dict[str, int]:
    """The number of processes with hidden logs, by user."""
    pairs = [each.split(" ", 1) for each in found.get("hidden", [])]
    return {user: int(count) for count, user in pairs}


def borrowed(answers: Mapping[str, Answer], rights: Rights) -> dict[str, Command]:
    """The commands of the second round trip: for resources visible by sudo alone, as far as permitted."""
    user = owner(answers, rights)
    names = ContainerNames().command(Host(transport="local://", docker_as=ROOT))
    is_refused = answers["docker"].status not in (0, 127)
    docker = {"docker": names} if is_refused and rights.permit(ROOT, *names.argv) else {}
    return {**(programs(user) if user else {}), **docker}


def daemons(answer: Answer) -> list[Daemon]:
    """The PM2 daemons of the host."""
    lines = [line.split(" ", 3) for line in answer.require("perl (pm2_daemons.pl)").stdout.splitlines()]
    return [Daemon(user, text(home), text(folder), listed) for user, home, folder, listed in lines]


def processes(answer: Answer, again: Answer | None, rights: Rights) -> Sight:
    """The processes of PM2; `again` is the answer to the user whom sudo permits. Other daemons are unseen."""
    sight = Sight()
    lent = {each.home: each for each in daemons(again) if each.listed} if again and again.status == 0 else {}
    for each in daemons(answer):
        sight.add(_daemon(lent.get(each.home, each), rights))
    return sight


def _daemon(found: Daemon, rights: Rights) -> Sight:
    if not found.listed:
        way = (
            rights.line(found.user, "perl") if rights.login != ROOT else 'a host with transport = "docker://CONTAINER"'
        )
        return Sight(unseen=[Unseen(f"the processes of PM2 in {found.home}", way)])
    said = json.loads(found.listed)["daemon"] or {"processes": []}
    states = {each["name"]: each["status"] for each in said["processes"]}
    entries = [Entry("path", found.folder)] if found.folder else []
    entries += [Entry("pm2", "", {"home": found.home})]
    entries += [Entry("processes", name, {}, unless(state, "online")) for name, state in states.items()]
    rotation = ["pm2-logrotate runs: declare its settings under rotation"] if "pm2-logrotate" in states else []
    return Sight(entries, remarks=rotation)


def unless(state: str, good: str) -> str:
    """The doubt about a resource in another state than `good`."""
    return "" if state == good else f"is {state} now"


def logs(found: Mapping[str, list[str]], again: Mapping[str, list[str]], rights: Rights) -> Sight:
    """The logs open for writing, with the formats of their last lines, and their folders.

    `again` are the lines for the user permitted by sudo.
    """
    sight, names = Sight(), set[str]()
    lines = {each.partition(" ")[2]: each for each in [*found.get("log", []), *again.get("log", [])]}
    for line in lines.values():
        kind, _, path = line.partition(" ")
        where = PurePosixPath(text(path))
        name = next(each for each in _names(where) if each not in names)
        names.add(name)
        known = kind if kind not in ("empty", "unreadable") else "text"
        confirm = "" if known == kind else f"the file is {kind}: the format is a guess"
        fields: dict[str, toml.Value] = {"path": str(where), "format": known}
        sight.entries.append(Entry("logs", name, fields | _limits(where), confirm))
    folders = {str(PurePosixPath(text(path)).parent) for path in lines}
    sight.entries += [Entry("log_folders", each) for each in sorted(folders)]
    sight.unseen += _hidden(others(found), others(again) if again else others(found), rights)
    return sight


def _limits(path: PurePosixPath) -> dict[str, toml.Value]:
    """Limits of a log of errors, by its name: silence is no fault."""
    return {"limits": dict(OF_ERRORS)} if _OF_ERRORS.search(path.name) else {}


def _hidden(found: dict[str, int], again: dict[str, int], rights: Rights) -> list[Unseen]:
    """The processes with hidden logs, of users whom neither the login nor the permitted user may see."""
    is_hidden = {user: user in again and user != rights.login for user in found}  # sshd is hidden from the login
    hidden = {user: count for user, count in found.items() if is_hidden[user] and rights.login != ROOT}
    users = sorted(hidden.keys() - {ROOT})
    way = f"{rights.line(', '.join(users), 'perl')}; or a table under logs" if users else "a table under logs"
    what = f"open logs of {sum(hidden.values())} processes of {', '.join(sorted(hidden))}"
    return [Unseen(what, way)] if hidden else []


def _names(path: PurePosixPath) -> list[str]:
    """Names for a log, the shortest first."""
    stem = path.name.removesuffix(".log")
    return [stem, f"{path.parent.name}-{stem}", str(path)]


def mounts(answer: Answer) -> Sight:
    """The mounted file systems on disks or networks; read-only mounts are to confirm."""
    sight, sources = Sight(), set[str]()
    for line in answer.require("cat /proc/self/mounts").stdout.splitlines():
        source, target, kind, options, *_ = line.split(" ")
        is_disk = kind not in VIRTUAL and (source.startswith("/dev/") or ":" in source)
        if target != "/" and (not is_disk or source in sources or target in OF_CONTAINERS):
            continue
        sources.add(source)
        place = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), target)
        broken = "is mounted read-only now" if "ro" in options.split(",") else ""
        sight.entries.append(Entry("mounts", place, {}, broken))
    return sight


def clock(answer: Answer) -> Sight:
    """The service of the clock, if timedatectl knows any."""
    if answer.status != 0:
        return Sight(unseen=[Unseen("the service that sets the clock", 'clock with service = "chrony", if it runs')])
    broken = "" if answer.stdout.strip() == "yes" else "does not set the clock now"
    return Sight([Entry("clock", "", {"service": "timedatectl"}, broken)])


def scheduled(answer: Answer, found: Mapping[str, list[str]]) -> Sight:
    """Remarks about cron and certificates; cron jobs of other users are unseen."""
    jobs = [line for line in answer.stdout.splitlines() if line.strip() and not line.startswith("#")]
    remarks = [f"{len(jobs)} cron jobs of the login"] if jobs else []
    remarks += [f"cron jobs in {text(each)}" for each in found.get("cron", [])]
    remarks += [f"certificate in {text(each)}: declare its site in endpoints" for each in found.get("certificate", [])]
    return Sight(
        unseen=[Unseen("cron jobs and certificates of other users", "sudo crontab -l -u USER")], remarks=remarks
    )


def text(digits: str) -> str:
    """The text of hexadecimal digits.

    Raises:
        MeasurementError: not hexadecimal.
    """
    try:
        return bytes.fromhex(digits).decode(errors="replace")
    except ValueError as error:
        raise MeasurementError(f"the description of the host is damaged: {digits[:20]!r}") from error
