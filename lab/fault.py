"""What a fault is: one real thing broken in a lab, the checks that must notice it, and its healing."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

LabT = TypeVar("LabT")
Checks = tuple[str, ...]
Breaking = Callable[[LabT], Iterator[None]]
EVERYTHING = "everything"
"""What stops, freezes or heals a whole server touches; such a fault is broken alone."""
TIME = "time"
"""What is judged by its age touches; such a fault is broken last, right before the round."""


@dataclass(frozen=True)
class Fault(Generic[LabT]):
    """A way to break a lab; the checks named must change to the given verdicts, and no others may change.

    `reported_once` are verdicts of the first round after healing, for what is reported once: that a container
    was restarted. `may_change` names checks on which the fault also bears, but not for sure at every moment.
    `wrapper` is a command in front of the round, for what can be changed for one process tree alone.
    `touches` names the surroundings that the fault disturbs, such as a log folder: two faults that touch the
    same are never broken together.
    """

    name: str
    breaks: Callable[[LabT], AbstractContextManager[None]]
    expected: dict[str, str]
    reported_once: dict[str, str]
    may_change: frozenset[str]
    wrapper: tuple[str, ...]
    root: bool
    touches: frozenset[str]


@dataclass(frozen=True)
class Registry(Generic[LabT]):
    """The faults of one kind of lab, in the order of their declaration."""

    faults: list[Fault[LabT]] = field(default_factory=list)
    touches: Checks = ()
    """What every fault of this lab touches."""

    def fault(
        self,
        *,
        may_change: Checks = (),
        reported_once: Mapping[str, Checks] | None = None,
        wrapper: tuple[str, ...] = (),
        root: bool = False,
        touches: Checks = (),
        **verdicts: Checks,
    ) -> Callable[[Breaking[LabT]], Breaking[LabT]]:
        """Declares a generator function as a fault: what is before its yield breaks, what is behind it heals.

        `verdicts` are the checks that must change, by their new verdict; a check is named with or
        without its parameter, as in ``failed=("test_process_is_online[lab-meta-chat-api]",)``. A name
        with its parameter goes before one without.
        """

        def declare(breaking: Breaking[LabT]) -> Breaking[LabT]:
            name = breaking.__name__.replace("_", " ")
            expected, afterwards = _by_check(verdicts), _by_check(reported_once or {})
            made = _healing(breaking)
            surroundings = frozenset((*touches, *self.touches)) | ({"wrapper"} if wrapper else set())
            self.faults.append(
                Fault(name, made, expected, afterwards, frozenset(may_change), wrapper, root, surroundings)
            )
            return breaking

        return declare


def _by_check(verdicts: Mapping[str, Checks]) -> dict[str, str]:
    return {check: verdict for verdict, checks in verdicts.items() for check in checks}


def _healing(breaking: Breaking[LabT]) -> Callable[[LabT], AbstractContextManager[None]]:
    @contextmanager
    def broken(lab: LabT) -> Iterator[None]:
        steps = breaking(lab)
        next(steps)
        try:
            yield
        finally:
            next(steps, None)

    return broken
