"""The commands that look at a host in one round trip, and the parsers of their answers."""

import json
import re
from pathlib import PurePosixPath

from opsproof.core import scripts
from opsproof.core.errors import MeasurementError
from opsproof.discovery.sight import Entry, Sight, Unseen
from opsproof.facts.listeners import SOCKETS, listening
from opsproof.inventory.hosts import Host
from opsproof.transport import shell
from opsproof.transport.shell import Answer, Command, argv, labelled

VIRTUAL = {"tmpfs", "devtmpfs", "overlay", "squashfs", "proc", "sysfs", "efivarfs", "ramfs", "nsfs", "fuse.lxcfs"}
SERVICES = {22: "sshd", 5432: "PostgreSQL", 6379: "Redis", 15672: "RabbitMQ", 5672: "RabbitMQ"}


def look(host: Host) -> dict[str, Answer]:
    """The answers of `host` to all commands, by name.

    Raises:
        HostUnreachable: the host did not answer.
    """
    asked = commands()
    return dict(zip(asked, shell.run(host, tuple(asked.values())), strict=True))


def commands() -> dict[str, Command]:
    """The fixed commands, by name; each only reads."""
    pm2 = scripts.perl("facts/json_text", "facts/pm2_daemon", "facts/pm2_list")
    return {
        "host": argv("uname", "-n"),
        "look": argv("perl", "-e", scripts.perl("discovery/look"), timeout_s=30),
        "pm2": argv("perl", "-e", scripts.perl("discovery/pm2_daemons"), pm2, timeout_s=30),
        "ports": SOCKETS,
        "mounts": argv("cat", "/proc/self/mounts"),
        "units": argv("systemctl", "list-units", "--type=service", "--all", "--plain", "--no-legend", "--full"),
        "docker": argv("docker", "ps", "--all", "--format", "{{json .Names}} {{json .State}}"),
        "clock": argv("timedatectl", "show", "--property=NTP", "--value"),
        "cron": argv("crontab", "-l"),
    }


def seen(answers: dict[str, Answer]) -> Sight:
    """Everything in the `answers`."""
    found = labelled(answers["look"].require("looking at the host").stdout, "the description of the host")
    sight = Sight()
    for part in (
        processes(answers["pm2"]),
        logs(found),
        mounts(answers["mounts"]),
        units(answers["units"]),
        containers(answers["docker"]),
        listeners(found),
        reachable(answers["ports"]),
        clock(answers["clock"]),
        scheduled(answers["cron"], found),
    ):
        sight.add(part)
    return sight


def processes(answer: Answer) -> Sight:
    """The processes of PM2; those of another user's daemon are unseen."""
    sight = Sight()
    for line in answer.require("perl (pm2_daemons.pl)").stdout.splitlines():
        home, folder, said = line.split(" ", 2)
        sight.add(_daemon(_text(home), _text(folder), said))
    return sight


def _daemon(home: str, folder: str, said: str) -> Sight:
    if not said:
        way = f"run_as with the owner of {home}: ops ALL = (OWNER) NOPASSWD: /usr/bin/perl"
        return Sight(unseen=[Unseen(f"the processes of PM2 in {home}", way)])
    daemon = json.loads(said)["daemon"] or {"processes": []}
    states = {each["name"]: each["status"] for each in daemon["processes"]}
    entries = [Entry("path", folder)] if folder else []
    entries += [Entry("pm2", "", {"home": home})]
    entries += [Entry("processes", name, {}, _unless(state, "online")) for name, state in states.items()]
    return Sight(entries)


def _unless(state: str, good: str) -> str:
    return "" if state == good else f"is {state} now"


def logs(found: dict[str, list[str]]) -> Sight:
    """The logs open for writing, with the formats of their last lines, and their folders."""
    sight, names = Sight(), set[str]()
    for line in found.get("log", []):
        kind, _, path = line.partition(" ")
        where = PurePosixPath(_text(path))
        name = next(each for each in _names(where) if each not in names)
        names.add(name)
        known = kind if kind not in ("empty", "unreadable") else "text"
        confirm = "" if known == kind else f"the file is {kind}: the format is a guess"
        sight.entries.append(Entry("logs", name, {"path": str(where), "format": known}, confirm))
    folders = {str(PurePosixPath(_text(each.partition(" ")[2])).parent) for each in found.get("log", [])}
    sight.entries += [Entry("log_folders", each) for each in sorted(folders)]
    if hidden := int(found["hidden"][0]):
        way = "their user as run_as: ops ALL = (USER) NOPASSWD: /usr/bin/perl"
        sight.unseen.append(Unseen(f"open logs of {hidden} processes of other users", way))
    return sight


def _names(path: PurePosixPath) -> list[str]:
    """Names for a log, the shortest first."""
    stem = path.name.removesuffix(".log")
    return [stem, f"{path.parent.name}-{stem}", str(path)]


def mounts(answer: Answer) -> Sight:
    """The mounted file systems on disks or networks; one mounted read-only now is to confirm."""
    sight, sources = Sight(), set[str]()
    for line in answer.require("cat /proc/self/mounts").stdout.splitlines():
        source, target, kind, options, *_ = line.split(" ")
        if kind in VIRTUAL or not (source.startswith("/dev/") or ":" in source) or source in sources:
            continue
        sources.add(source)
        place = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), target)
        broken = "is mounted read-only now" if "ro" in options.split(",") else ""
        sight.entries.append(Entry("mounts", place, {}, broken))
    return sight


def units(answer: Answer) -> Sight:
    """Whether systemd runs, and its failed services."""
    if answer.status != 0 or not answer.stdout.strip():
        return Sight(unseen=[Unseen("systemd: it does not answer", "nothing, if the host has none")])
    states = [line.split(maxsplit=4) for line in answer.stdout.splitlines()]
    failed = [unit for unit, _, active, *_ in states if active == "failed"]
    running = [unit.removesuffix(".service") for unit, _, _, sub, *_ in states if sub == "running"]
    broken = f"failed now: {', '.join(failed)}" if failed else ""
    return Sight([Entry("systemd", "", {}, broken)], remarks=[f"running services: {', '.join(running)}"])


def containers(answer: Answer) -> Sight:
    """The containers; unseen if Docker refuses the login."""
    if answer.status == 127 or "not found" in answer.stderr:
        return Sight()
    if answer.status != 0:
        way = 'docker_as = "root": ops ALL = (root) NOPASSWD: /usr/bin/docker ps --all --format {{json .Names}}'
        return Sight(unseen=[Unseen("containers", way)])
    lines = [re.findall(r'"(?:[^"\\]|\\.)*"', line) for line in answer.stdout.splitlines()]
    states = {json.loads(name): json.loads(state) for name, state in lines}
    return Sight([Entry("containers", name, {}, _unless(state, "running")) for name, state in states.items()])


def listeners(found: dict[str, list[str]]) -> Sight:
    """The listening ports: known services, and ports whose meaning a person must say."""
    sight, ports = Sight(), {int(each.split()[1]) for each in found.get("port", [])}
    for port in sorted(ports):
        service = SERVICES.get(port, "")
        if service == "sshd":
            sight.entries.append(Entry("sshd", ""))
        elif service == "Redis":
            sight.entries.append(Entry("caches", "redis", {"port": port}))
        elif service == "PostgreSQL":
            way = f'--dsn="host=127.0.0.1 port={port} dbname=NAME user=opsproof_monitor", with the role of monitor.sql'
            sight.unseen.append(Unseen(f"databases of PostgreSQL on port {port}", way))
        elif service == "RabbitMQ":
            sight.unseen.append(
                Unseen(f"RabbitMQ on port {port}", "a broker table with the netrc of a monitoring user")
            )
        else:
            way = "endpoints with the health URL, if it answers HTTP; --dsn, if it is PostgreSQL"
            sight.unseen.append(Unseen(f"the service on port {port}", way))
    return sight


def reachable(answer: Answer) -> Sight:
    """The ports that listen beyond loopback, each to confirm; unseen without ss."""
    if answer.status != 0:
        return Sight(unseen=[Unseen("ports that other machines can reach", "sudo apt-get install iproute2")])
    ports = sorted({each.port for each in listening(answer).sockets if not each.is_local})
    doubt = "other machines can reach the port"
    named = [(f"{SERVICES.get(each, 'port').lower()}-{each}", each) for each in ports]
    return Sight([Entry("listening", ""), *(Entry("ports", name, {"port": each}, doubt) for name, each in named)])


def clock(answer: Answer) -> Sight:
    """The service that sets the clock, if timedatectl knows it."""
    if answer.status != 0:
        return Sight(unseen=[Unseen("the service that sets the clock", 'clock with service = "chrony", if it runs')])
    broken = "" if answer.stdout.strip() == "yes" else "does not set the clock now"
    return Sight([Entry("clock", "", {"service": "timedatectl"}, broken)])


def scheduled(answer: Answer, found: dict[str, list[str]]) -> Sight:
    """Remarks about cron and certificates; cron jobs of other users are unseen."""
    jobs = [line for line in answer.stdout.splitlines() if line.strip() and not line.startswith("#")]
    remarks = [f"{len(jobs)} cron jobs of the login"] if jobs else []
    remarks += [f"cron jobs in {_text(each)}" for each in found.get("cron", [])]
    remarks += [f"certificate in {_text(each)}: declare its site in endpoints" for each in found.get("certificate", [])]
    return Sight(
        unseen=[Unseen("cron jobs and certificates of other users", "sudo crontab -l -u USER")], remarks=remarks
    )


def _text(digits: str) -> str:
    """The text of hexadecimal digits.

    Raises:
        MeasurementError: not hexadecimal.
    """
    try:
        return bytes.fromhex(digits).decode(errors="replace")
    except ValueError as error:
        raise MeasurementError(f"the description of the host is damaged: {digits[:20]!r}") from error
