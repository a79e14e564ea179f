"""The head of the page: what was checked, when, and what it was judged from."""

import hashlib
import json
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from opsproof.core.units import show, show_moment
from opsproof.round.gathering import Recording

if TYPE_CHECKING:
    from opsproof.round.run import Run

_PROGRAMS = ("opsproof", "pytest", "pytest-html", "pytest-testinfra")


@dataclass(frozen=True)
class RunOrigin:
    """What the verdicts of a run come from.

    `digest` is the SHA-256 of the answers of all hosts, equal for a file of `--save-facts` and its judgement by
    `--facts`. `clocks` has, by host, the host's clock at the first answer. `saved` describes saved facts with their
    age; empty if the hosts were queried.
    """

    digest: str
    clocks: dict[str, str]
    versions: dict[str, str]
    saved: str


def origin(run: "Run") -> RunOrigin:
    """The origin of the verdicts of `run`."""
    recordings = run.recordings
    clocks = {name: clock for name, each in recordings.items() if (clock := _clock(each))}
    path = run.config.option.facts
    return RunOrigin(
        _digest(recordings),
        {name: show_moment(clock) for name, clock in clocks.items()},
        {"python": platform.python_version()} | {name: metadata.version(name) for name in _PROGRAMS},
        _saved(path, max(clocks.values(), default=0.0), run.started) if path else "",
    )


def took(run: "Run") -> str:
    """The time since the start of `run`."""
    return show(time.time() - run.started, "seconds")


def _digest(recordings: Mapping[str, Recording]) -> str:
    plain = {name: asdict(each) for name, each in recordings.items()}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _clock(recording: Recording) -> float:
    """The earliest time by the clock of the host; 0 if no answer has one."""
    return min((each.now for each in recording.answers.values() if each.now), default=0.0)


def _saved(path: Path, newest: float, now: float) -> str:
    age = f", measured {show(now - newest, 'seconds')} before this run" if 0 < newest <= now else ", of unknown age"
    return f"{path.name}{age}"
