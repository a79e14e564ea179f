"""Command lines about units of systemd, plain processes and ports."""

import re
import shlex

from opsproof.inventory.ports import Port
from opsproof.inventory.processes import Process, Unit
from opsproof.round.target import Target, as_user, join


def _of_manager(target: Target, words: list[str]) -> str:
    """A command of systemd's system manager, or of the user manager of the unit."""
    unit = target.about
    assert isinstance(unit, Unit)
    if unit.manager == "system":
        return join([*as_user(target.host, "root"), *words])
    user = unit.run_as
    login = f"{join([*as_user(target.host, user), 'env'])} XDG_RUNTIME_DIR=/run/user/$(id -u {shlex.quote(user)}) "
    return (login if user else "") + join([words[0], "--user", *words[1:]])


def of_unit(target: Target, words: list[str]) -> str:
    """A command of systemctl on the unit; daemon-reload is of all units."""
    return _of_manager(target, ["systemctl", *words[1:], *([] if "daemon-reload" in words else ["--", target.name])])


def unit_look(target: Target, words: list[str]) -> str:
    """The state of a unit, and its last log lines; of a timer, also those of its job. Or a command that repairs it."""
    if words[1:]:
        return of_unit(target, words)
    name = f"{target.name.removesuffix('timer')}*" if target.name.endswith(".timer") else target.name
    state = ["systemctl", "list-units", "--all", "--full", "--no-pager", "--", name]
    return f"{_of_manager(target, state)} && {_unit_log(target, name)}"


def unit_restarts(target: Target, words: list[str]) -> str:
    """The number of restarts of a unit and the end of its last process, and its last log lines."""
    del words
    count = ["unit", "show", "--property=NRestarts,Result,ExecMainStatus,ActiveEnterTimestamp"]
    return f"{of_unit(target, count)} && {_unit_log(target, target.name)}"


def _unit_log(target: Target, name: str) -> str:
    """The last log lines; root sees those of user managers too, by fields, in which `*` has no meaning."""
    journal, unit = ["journalctl", "--no-pager", "--lines=50"], target.about
    assert isinstance(unit, Unit)
    if unit.manager == "system":
        return _of_manager(target, [*journal, f"--unit={name}"])
    names = [name.replace("*", kind) for kind in ("timer", "service")] if "*" in name else [name]
    fields = " + ".join(f"{field}={each}" for each in names for field in ("USER_UNIT", "_SYSTEMD_USER_UNIT"))
    return join([*as_user(target.host, "root"), *journal, *fields.split()])


def unit_files(target: Target, words: list[str]) -> str:
    """All unit files: the unit may have another name."""
    del words
    return _of_manager(target, ["systemctl", "list-unit-files", "--full", "--no-pager"])


def plain_process(target: Target, words: list[str]) -> str:
    """The processes that fit a declaration; says so if none does."""
    del words
    process = target.about
    assert isinstance(process, Process)
    pids = f"$(head --lines=1 {shlex.quote(process.pidfile)})"
    if not process.pidfile:
        owner = ["--euid", process.user] if process.user else []
        pattern = re.escape(process.command).replace(r"\*", ".*").replace(r"\?", ".").replace(r"\ ", " ")
        pids = f"$({join(['pgrep', '--full', '--exact', '--delimiter', ',', *owner, pattern])})"
    return f'ps -o pid,user,etime,stat,rss,comm -p "{pids}" || echo "no process fits {target.name}"'


def waiting(target: Target, words: list[str]) -> str:
    """The listening sockets of a plain process, with the number of waiting clients (Recv-Q)."""
    del words
    process = target.about
    assert isinstance(process, Process)
    ports = " or ".join(f"sport = :{port}" for port in process.listens)
    return join([*as_user(target.host, "root"), "ss", "--listening", "--tcp", "--numeric", "--processes", ports])


def of_port(target: Target, words: list[str]) -> str:
    """The programs that listen at a port; says so if none does."""
    about = target.about
    assert isinstance(about, Port)
    sockets = join([*as_user(target.host, "root"), *words[1:], f"sport = :{about.port}"])
    return f'{sockets} | grep LISTEN || echo "nothing listens at port {about.port}"'
