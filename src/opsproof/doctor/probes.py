"""Probes of the needs of a round on a host, one by one: good, or a fault with its mending command."""

import re
from collections.abc import Mapping

from opsproof.core.errors import HostUnreachable
from opsproof.doctor import databases, logs
from opsproof.doctor.mending import PACKAGES, Patient, mend
from opsproof.doctor.probe import Probe
from opsproof.inventory.hosts import Host
from opsproof.privileges import rules
from opsproof.privileges.rules import SudoRule
from opsproof.transport import shell
from opsproof.transport.shell import Answer, Command, argv

CLOCK_TOLERANCE_S = 2.0
_TOOL = re.compile(r"(?:^|/)([a-z][\w.+-]*)$")


def probe(patient: Patient) -> list[Probe]:
    """The probes of a host: the connection, then programs, sudo and clock in a round trip; then logs and databases."""
    host, wanted = patient.host, _wanted(patient.host)
    try:
        answers = shell.run(host, tuple(command for _, command in wanted))
    except HostUnreachable as error:
        return [Probe("connection", str(error), mend(patient, str(error)))]
    pairs = [(name, answer) for (name, _), answer in zip(wanted, answers, strict=True)]
    paths = {name: answer.stdout.strip() for name, answer in pairs}
    found = [_judged(patient, name, answer, paths) for name, answer in pairs]
    return [Probe("connection"), _clock(answers[0]), *found, *logs.probed(patient), *databases.probed(patient)]


def _wanted(host: Host) -> list[tuple[str, Command]]:
    """The probes' commands by name: each program, and each command of another user."""
    tools = {each.argv[0] for each in rules.commands_of_rounds(host)}
    programs = [(each, argv("sh", "-c", 'command -v "$0"', each)) for each in sorted({"perl", *tools})]
    return [*programs, *((f"sudo {_said(each)}", _listed(each)) for each in rules.of_rounds(host))]


def _said(rule: SudoRule) -> str:
    head, _, rest = rule.command.partition(" --format ")
    return f"-u {rule.user} {head}" + (f" ... {rest.rpartition(' ')[2]}" if rest else "")


def _listed(rule: SudoRule) -> Command:
    """Sudo's answer whether it permits the command; runs nothing."""
    words = re.sub(r"\\(.)", r"\1", rule.command).split(" ") if rule.command != "perl" else ["perl", "-e", "1"]
    return argv("sudo", "-n", "-l", "-u", rule.user, "--", *words)


def _judged(patient: Patient, name: str, answer: Answer, paths: Mapping[str, str]) -> Probe:
    """The probe called `name`; `paths` are those of programs in the search path, by name."""
    if answer.status == 0:
        return Probe(name)
    if not name.startswith("sudo "):
        package = PACKAGES.get(name, name)
        return Probe(name, "not found", patient.here(f"sudo apt-get install {package}"))
    said = answer.stderr.strip().splitlines()
    wrong = said[-1] if said else "sudo does not permit the command"
    program = name.split(" ")[3]
    path = paths.get(program, "")
    if path and path != f"{rules.FOLDER}/{program}":
        return Probe(name, wrong, patient.opsproof("privileges", "--into=rights", f"--program={path}"))
    return Probe(name, wrong, mend(patient, "sudo: a password is required"))


def _clock(answer: Answer) -> Probe:
    """The host's clock must lie between the moments before and after the round trip."""
    early, late = answer.sent - answer.now, answer.now - answer.received
    if max(early, late) <= CLOCK_TOLERANCE_S:
        return Probe("clock")
    side = "behind" if early > 0 else "ahead"
    return Probe("clock", f"{max(early, late):.0f} s {side} this machine", "timedatectl set-ntp true, on both machines")
