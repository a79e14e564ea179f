"""What a fault is: one real thing broken, the checks that must notice it, and its healing."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from lab import Lab
from lab.errors import LabError

Breaking = Callable[[Lab], Iterator[None]]
FAULTS: list["Fault"] = []
"""Every fault there is."""


@dataclass(frozen=True)
class Fault:
    """A way to break the lab; the checks named must change to the given verdicts, and no others may change.

    `may` names checks on which the fault also bears, but not for sure at every moment. `wrapper`
    is a command in front of the round, for what can be changed for one process tree alone.
    """

    name: str
    breaks: Callable[[Lab], AbstractContextManager[None]]
    expected: dict[str, str]
    may: frozenset[str]
    wrapper: tuple[str, ...]
    root: bool


def fault(
    *, may: tuple[str, ...] = (), wrapper: tuple[str, ...] = (), root: bool = False, **verdicts: tuple[str, ...]
) -> Callable[[Breaking], Breaking]:
    """Declares a generator function as a fault: what is before its yield breaks, what is behind it heals.

    `verdicts` are the checks that must change, by their new verdict; a check is named with or
    without its parameter, as in ``failed=("test_process_is_online[lab-meta-chat-api]",)``.
    """
    expected = {check: verdict for verdict, checks in verdicts.items() for check in checks}

    def declare(breaking: Breaking) -> Breaking:
        name = breaking.__name__.replace("_", " ")
        FAULTS.append(Fault(name, _healing(breaking), expected, frozenset(may), wrapper, root))
        return breaking

    return declare


def _healing(breaking: Breaking) -> Callable[[Lab], AbstractContextManager[None]]:
    @contextmanager
    def broken(lab: Lab) -> Iterator[None]:
        steps = breaking(lab)
        next(steps)
        try:
            yield
        finally:
            next(steps, None)

    return broken


def wait_until(holds: Callable[[], bool], what: str, seconds: float = 20) -> None:
    """Waits for `holds`; LabError when it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise LabError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.05)
