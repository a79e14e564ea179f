"""What changed since the last run of the same round, and which checks flap."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from opsproof.core.verdicts import ORDER, Verdict

FLAPPING_RUNS = 21
FLAPPING_PERCENT = 20.0
"""The rule of Nagios for services: https://assets.nagios.com/downloads/nagioscore/docs/nagioscore/4/en/flapping.html

Of the 20 transitions between the last 21 verdicts, each change counts, the oldest 0.8, the newest 1.2. From 20 % of the
transitions on, a check flaps.
"""
_GOOD = ("passed", "waived")
_ENDS = {"passed": "fixed", "waived": "waived", "unknown": "unmeasured"}
KINDS = ("new", "worse", "unmeasured", "better", "fixed", "waived", "no longer checked")
"""The kinds of changes, in the order of the page."""


def kind(before: str | None, now: str) -> str:
    """The kind of a change from the verdict `before`, None without any, to `now`; empty without a change.

    An unmeasured check is never better than before.
    """
    if before == now or (before is None and now in _GOOD):
        return ""
    if now in _ENDS:
        return _ENDS[now]
    if before is None or before in _GOOD:
        return "new"
    return "worse" if ORDER.index(now) < ORDER.index(before) else "better"


def changes(
    verdicts: Iterable[Verdict], before: Mapping[str, str], *, is_complete: bool
) -> dict[str, list[tuple[str, str, str]]]:
    """Test, verdict before and verdict now of each change, by kind.

    Without an earlier run there are none. An incomplete run does not tell which checks are gone.
    """
    found: dict[str, list[tuple[str, str, str]]] = {each: [] for each in KINDS}
    if not before:
        return {}
    now = {each.test: each.verdict for each in verdicts}
    for test, verdict in now.items():
        if of := kind(before.get(test), verdict):
            found[of].append((test, before.get(test, ""), verdict))
    if is_complete:
        found["no longer checked"] = [(test, verdict, "") for test, verdict in before.items() if test not in now]
    return {of: tests for of, tests in found.items() if tests}


def is_flapping(verdicts: Sequence[str]) -> bool:
    """Whether a check with these verdicts flaps, the oldest first; never with fewer than 21 verdicts."""
    last = verdicts[-FLAPPING_RUNS:]
    if len(last) < FLAPPING_RUNS:
        return False
    pairs = list(pairwise(last))
    weights = [0.8 + 0.4 * place / (len(pairs) - 1) for place in range(len(pairs))]
    changed = sum(weight for weight, (one, other) in zip(weights, pairs, strict=True) if one != other)
    return changed / len(pairs) * 100 >= FLAPPING_PERCENT
