"""The extent of the proof: everything with OPSPROOF_PROOF=full, else a sample drawn by the hash of the commit's tree.

The same tree gives the same sample. OPSPROOF_SEED repeats the sample of an earlier run, which prints its seed.
"""

import os
import random
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

FULL = os.environ.get("OPSPROOF_PROOF") == "full"
KILLS = 25 if FULL else 3
HEALTHY_ROUNDS = 10 if FULL else 3
RELEASES = ("14", "15", "16", "17", "18") if FULL else ("15", "18")
"""The major versions of PostgreSQL to test."""


@cache
def seed() -> str:
    """OPSPROOF_SEED, or the hash of the committed tree."""
    said = os.environ.get("OPSPROOF_SEED")
    if said:
        return said
    words = ["git", "rev-parse", "--short=12", "HEAD^{tree}"]
    answer = subprocess.run(words, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "no commit"


def moments(what: str) -> list[float]:
    """When to kill `what`, as shares of the duration from 0 to 1: evenly spread, or a random moment of each third."""
    if FULL:
        return [(number + 0.5) / KILLS for number in range(KILLS)]
    draw = _draw(what)
    return [(number + draw.random()) / KILLS for number in range(KILLS)]


def sample(what: str, among: Sequence[T], count: int) -> list[T]:
    """All of `among`, or `count` of them drawn for `what`, in their own order."""
    if FULL or count >= len(among):
        return list(among)
    chosen = sorted(_draw(what).sample(range(len(among)), count))
    return [among[each] for each in chosen]


def shuffled(what: str, items: Sequence[T]) -> list[T]:
    """The same items in an order drawn for `what`."""
    return _draw(what).sample(list(items), len(items))


def _draw(what: str) -> random.Random:
    return random.Random(f"{seed()} {what}")
