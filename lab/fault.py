"""Faults: each breaks a real thing in a lab, names the checks to change, and heals the lab."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

LabT = TypeVar("LabT")
Checks = tuple[str, ...]
Breaking = Callable[[LabT], Iterator[None]]
EVERYTHING = "everything"
"""Touched by faults that stop, freeze or heal a whole server; no other fault is broken at the same time."""
TIME = "time"
"""Touched by faults judged by age; they are broken last, right before the round."""


@dataclass(frozen=True)
class Fault(Generic[LabT]):
    """A way to break a lab: the named checks must change to the given verdicts, and no other check may change.

    `reported_once`: verdicts of the first round after healing, for events reported only once, like a container
    restart. `may_change`: checks that the fault may change, depending on timing. `wrapper`: a command that runs
    the round, for changes visible only to the command. `touches`: shared things that the fault disturbs,
    like a log folder; two faults that touch the same thing are never broken together. `shows`: by check, or `"*"`, a
    pattern for the broken object in the output of a remedy that only looks. `causes`: the findings that a person reads
    first, in place of all others; None if they are not compared.
    """

    name: str
    breaks: Callable[[LabT], AbstractContextManager[None]]
    expected: dict[str, str]
    reported_once: dict[str, str]
    may_change: frozenset[str]
    wrapper: tuple[str, ...]
    root: bool
    touches: frozenset[str]
    shows: dict[str, str] = field(default_factory=dict)
    causes: Checks | None = None


@dataclass(frozen=True)
class Registry(Generic[LabT]):
    """The faults of a kind of lab, in the order of declaration."""

    faults: list[Fault[LabT]] = field(default_factory=list)
    touches: Checks = ()
    """Touched by every fault of the lab."""
    names_causes: bool = False
    """Whether the causes of findings are compared; a fault without `causes` has a cause for each finding."""

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
        """Declares a generator function as a fault: code before `yield` breaks, code after heals.

        `verdicts`: the checks that must change, by new verdict, with or without parameter, as in
        ``failed=("test_process_is_online[lab-meta-chat-api]",)``. A name with a parameter has precedence.
        """

        def declare(breaking: Breaking[LabT]) -> Breaking[LabT]:
            name = breaking.__name__.replace("_", " ")
            expected, afterwards = _by_check(verdicts), _by_check(reported_once or {})
            made = _healing(breaking)
            surroundings = frozenset((*touches, *self.touches)) | ({"wrapper"} if wrapper else set())
            seen = getattr(breaking, "shows", {})
            heads = getattr(breaking, "causes", tuple(expected)) if self.names_causes else None
            self.faults.append(
                Fault(name, made, expected, afterwards, frozenset(may_change), wrapper, root, surroundings, seen, heads)
            )
            return breaking

        return declare


def shows(pattern: str = "", **by_check: str) -> Callable[[Breaking[LabT]], Breaking[LabT]]:
    """Declares the pattern of the broken object in the output of remedies that only look: of any check, or by check."""

    def declare(breaking: Breaking[LabT]) -> Breaking[LabT]:
        vars(breaking)["shows"] = {**({"*": pattern} if pattern else {}), **by_check}
        return breaking

    return declare


def causes(*checks: str) -> Callable[[Breaking[LabT]], Breaking[LabT]]:
    """Declares the findings that a person reads first: all others are consequences."""

    def declare(breaking: Breaking[LabT]) -> Breaking[LabT]:
        vars(breaking)["causes"] = checks
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
