"""Probes of the formats of declared logs, and the format that reads a log."""

from collections.abc import Mapping

from opsproof.core.errors import OpsproofError
from opsproof.doctor.mending import Patient, mend
from opsproof.doctor.probe import Probe
from opsproof.facts.logs import LogReport, LogReports
from opsproof.inventory.hosts import Host
from opsproof.inventory.logs import Log, LogFormat
from opsproof.transport import shell
from opsproof.transport.shell import Answer

FORMATS = ("json", "pm2-json", "python", "postgresql", "nginx-combined", "caddy-json", "syslog")
"""The formats to try for an unread log."""
DECLARED = ""
Key = tuple[str, str]
"""The name of a log, and the format to try; `DECLARED` for the declared formats."""


def probed(patient: Patient) -> list[Probe]:
    """The probe of each declared log: the declared formats must read the lines.

    Raises:
        HostUnreachable: the host did not answer.
    """
    host = patient.host
    answers = _scanned(host, {(name, DECLARED): log for name, log in host.logs.items()})
    found = {name: _report(answer, host.logs[name]) for (name, _), answer in answers.items()}
    unread = [name for name, each in found.items() if isinstance(each, LogReport) and not _is_read(host, name, each)]
    again = _scanned(host, {(name, each): _as(host.logs[name], each) for name in unread for each in FORMATS})
    fitting: dict[str, list[str]] = {name: [] for name in unread}
    for (name, each), answer in again.items():
        fitting[name] += [each] if _fits(host, name, answer) else []
    return [_judged(patient, name, each, fitting.get(name)) for name, each in found.items()]


def _scanned(host: Host, logs: Mapping[Key, Log]) -> dict[Key, Answer]:
    commands = tuple(LogReports().command(host, name, log) for (name, _), log in logs.items())
    return dict(zip(logs, shell.run(host, commands) if commands else [], strict=True))


def _as(log: Log, name: str) -> Log:
    return log.model_copy(update={"format": [LogFormat(name=name)]})


def _report(answer: Answer, log: Log) -> LogReport | str:
    """The report, or the reason of a failed scan."""
    try:
        return LogReports().parse(answer, "", log)
    except (OpsproofError, ValueError, LookupError, TypeError) as error:
        return str(error)


def _is_read(host: Host, name: str, report: LogReport) -> bool:
    limit = host.limit("log_unread", host.logs[name])
    return limit is None or limit.judge(report.unread_percent).verdict != "failed"


def _fits(host: Host, name: str, answer: Answer) -> bool:
    report = _report(answer, host.logs[name])
    return isinstance(report, LogReport) and report.lines > 0 and _is_read(host, name, report)


def _judged(patient: Patient, name: str, found: LogReport | str, fitting: list[str] | None) -> Probe:
    """The probe; `fitting` are formats that read the log, None if the declared formats do."""
    title, place = f"format of log {name}", f"logs.{name} of {patient.host.name} in {patient.inventory}"
    if isinstance(found, str):
        return Probe(title, found, _readable(patient, patient.host.logs[name], found))
    if fitting is None:
        return Probe(title)
    reason, _, advice = found.misread[1].partition(": declare ")
    without = " or ".join(filter(None, [advice, 'format = "pattern"']))
    declared = f'format = "{fitting[0]}"' if fitting else without
    return Probe(title, reason, f"declare {declared} under {place}")


def _readable(patient: Patient, log: Log, reason: str) -> str:
    if "does not exist" in reason:
        return f"correct the path {log.path} in {patient.inventory}"
    if "Permission denied" in reason:
        owner = f"the owner of {log.path} as run_as of {patient.host.name} in {patient.inventory}"
        return f"declare {owner}; then {patient.opsproof('privileges', '--into=rights')}"
    return mend(patient, reason)
