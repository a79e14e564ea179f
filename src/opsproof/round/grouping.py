"""Findings by cause: a check declares what may cause its result, and a person reads each cause once."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from opsproof.core.verdicts import ORDER, Verdict

FEW = 3
"""So many hosts without a finding are named, if all others have the finding."""


@dataclass(frozen=True)
class Group:
    """The results of a host with one cause: `cause` is the verdict to act on, `consequences` follow from it."""

    cause: Verdict
    consequences: tuple[Verdict, ...] = ()

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """All verdicts, the cause first."""
        return (self.cause, *self.consequences)

    @property
    def rank(self) -> int:
        """The place of the worst verdict in the order of verdicts."""
        return min(ORDER.index(each.verdict) for each in self.verdicts)

    @property
    def kind(self) -> tuple[tuple[str, str, str], ...]:
        """Equal for the same finding on another host."""
        return tuple((each.check, each.resource, each.verdict) for each in self.verdicts)


@dataclass(frozen=True)
class Finding:
    """The same group on one or more hosts; `spared` are the few hosts that have the check, and not the finding."""

    groups: tuple[Group, ...]
    spared: tuple[str, ...] = field(default=())

    @property
    def first(self) -> Group:
        """The group of the first host."""
        return self.groups[0]

    @property
    def hosts(self) -> list[str]:
        """The hosts with this finding."""
        return [each.cause.host for each in self.groups]


def group(verdicts: Sequence[Verdict]) -> list[Group]:
    """The groups of all verdicts other than passed, in the order of the checks.

    A result is in the group of the first of its declared causes that is as bad or worse. Results without such a cause
    are in one group if they state the same on one host.
    """
    bad = {(each.host, each.test): each for each in verdicts if each.verdict != "passed"}
    causes = {id(each): _causes(each, bad) for each in bad.values()}
    links = _Links(bad.values())
    same: dict[tuple[str, str, str], Verdict] = {}
    for each in bad.values():
        alike = (each.verdict, each.host, each.sentence)
        links.join(each, causes[id(each)][0] if causes[id(each)] else same.setdefault(alike, each))
    place = {id(each): number for number, each in enumerate(bad.values())}

    def order(each: Verdict) -> tuple[bool, int, int]:
        return bool(causes[id(each)]), ORDER.index(each.verdict), place[id(each)]

    return [_ordered(members, order) for members in links.sets()]


def findings(verdicts: Sequence[Verdict]) -> list[Finding]:
    """The findings of all hosts, the worst first, and among these the most frequent first."""
    alike: dict[tuple[tuple[str, str, str], ...], list[Group]] = defaultdict(list)
    for each in group(verdicts):
        alike[each.kind].append(each)
    checked = defaultdict(list)
    for verdict in verdicts:
        checked[verdict.check, verdict.resource].append(verdict.host)
    found = [Finding(tuple(groups), _spared(groups, checked)) for groups in alike.values()]
    return sorted(found, key=lambda each: (each.first.rank, -len(each.groups)))


class _Links:
    """Sets of verdicts, joined pair by pair."""

    def __init__(self, verdicts: Iterable[Verdict]) -> None:
        self._verdicts = list(verdicts)
        self._set = {id(each): [each] for each in self._verdicts}

    def join(self, one: Verdict, other: Verdict) -> None:
        large, small = self._set[id(one)], self._set[id(other)]
        if large is small:
            return
        if len(large) < len(small):
            large, small = small, large
        large += small
        for each in small:
            self._set[id(each)] = large

    def sets(self) -> list[list[Verdict]]:
        return list({id(each): each for each in (self._set[id(one)] for one in self._verdicts)}.values())


def _causes(verdict: Verdict, bad: dict[tuple[str, str], Verdict]) -> list[Verdict]:
    """The declared causes that are findings of the same host, as bad or worse: what is waived explains no failure."""
    named = [bad[verdict.host, each] for each in verdict.causes if (verdict.host, each) in bad]
    return [each for each in named if each is not verdict and ORDER.index(each.verdict) <= ORDER.index(verdict.verdict)]


def _ordered(members: list[Verdict], order: Callable[[Verdict], tuple[bool, int, int]]) -> Group:
    """The cause is a verdict without a cause of its own; of several the worst, then the first."""
    cause, *others = sorted(members, key=order) if len(members) > 1 else members
    return Group(cause, tuple(others))


def _spared(groups: list[Group], checked: dict[tuple[str, str], list[str]]) -> tuple[str, ...]:
    cause = groups[0].cause
    others = sorted({*checked[cause.check, cause.resource]} - {each.cause.host for each in groups})
    return tuple(others) if len(others) <= FEW <= len(groups) else ()
