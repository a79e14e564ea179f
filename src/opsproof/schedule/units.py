"""A schedule as units of systemd: a timer and a service for each job.

A timer fires at the declared local time and an hour later: systemd skips times in the hour that clocks skip, and may
skip those in the repeated hour (https://github.com/systemd/systemd/issues/5595 and 8647). The second firing ends at
once if the record has the run. There is no random delay: each reboot would restart it (systemd 21166).
"""

import re
from dataclasses import replace

from opsproof.core.rounds import ROUNDS
from opsproof.core.timings import WEEKDAYS, Timing
from opsproof.inventory.hosts import Host
from opsproof.schedule.invocation import Invocation

SYSTEM_FOLDER, USER_FOLDER = "/etc/systemd/system", ".config/systemd/user"
"""The folders of units: of root, and of other users in their home."""
_PLAIN = re.compile(r"[A-Za-z0-9_@/.,:=+-]+")
_SERVICE = """\
{head}
[Unit]
Description=opsproof: {job} of {host}

[Service]
Type=oneshot
WorkingDirectory={folder}
Environment={path}
ExecStart={command}
{success}"""
_TIMER = """\
{head}
[Unit]
Description=opsproof: {job} of {host}, {timing}

[Timer]
{calendar}
Persistent=true

[Install]
WantedBy=timers.target
"""


def unit_files(host: Host, invocation: Invocation) -> dict[str, str]:
    """The content of each unit file, by its name."""
    return {
        f"opsproof-{host.name}-{job}.{kind}": write(host, job, invocation)
        for job in host.jobs
        for kind, write in (("service", _service), ("timer", timer))
    }


def head(host: str, invocation: Invocation) -> str:
    """The first two lines of each file: whose it is, and the invocation."""
    return f"# opsproof schedule of {host}\n# {invocation.to_json()}"


def _service(host: Host, job: str, invocation: Invocation) -> str:
    is_round = host.jobs[job].runs(job) in ROUNDS
    return _SERVICE.format(
        head=head(host.name, invocation),
        job=job,
        host=host.name,
        folder=invocation.folder.replace("%", "%%"),
        path=_quoted(f"PATH={invocation.search_path}"),
        command=" ".join(map(_quoted, invocation.words(host, job))),
        success="SuccessExitStatus=1 6\n" if is_round else "",
    )


def timer(host: Host, job: str, invocation: Invocation) -> str:
    """The timer of a job."""
    timing = host.jobs[job].at
    calendar = "\n".join(f"OnCalendar={each}" for each in on_calendar(timing))
    return _TIMER.format(head=head(host.name, invocation), job=job, host=host.name, timing=timing, calendar=calendar)


def _quoted(word: str) -> str:
    """A word of ExecStart: https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html."""
    plain = word.replace("%", "%%").replace("$", "$$")
    if _PLAIN.fullmatch(word):
        return plain
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def on_calendar(timing: Timing) -> tuple[str, str]:
    """The declared time and an hour later, perhaps on the next day, as calendar events of systemd."""
    if timing.hour < 23:
        return _event(timing), _event(replace(timing, hour=timing.hour + 1))
    weekday = None if timing.weekday is None else (timing.weekday + 1) % 7
    return _event(timing), _event(replace(timing, hour=0, weekday=weekday), 1)


def _event(timing: Timing, later_days: int = 0) -> str:
    weekday = "" if timing.weekday is None else f"{WEEKDAYS[timing.weekday][:3]} "
    months = ",".join(f"{month:02}" for month in timing.months) or "*"
    days = f"{1 + later_days:02}..{7 + later_days:02}" if timing.is_first else "*"
    return f"{weekday}*-{months}-{days} {timing.hour:02}:{timing.minute:02}:00"
