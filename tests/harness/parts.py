"""The tests in parts: each part is a pytest process in private namespaces; three parts run in parallel.

`python -m tests.harness.parts test` runs the parts that need neither Docker nor root, and those that a variable such as
OPSPROOF_REQUIRE_DOCKER=1 requires; `python -m tests.harness.parts NAME ...` runs the named parts. Ports and the host
lock of actions belong to a network namespace, and tests that kill look for processes: parts with their own network and
process namespaces cannot disturb each other. Without namespaces the parts run one after the other.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.harness import timing

ROOT = Path(__file__).parents[2]
SIDE_BY_SIDE = 3
TEST_LIMIT_S = 3600
"""Time limit of a test with fixtures; a test that exceeds the limit ends its part instead of hanging forever."""
ISOLATED = (sys.executable, str(Path(__file__).with_name("loopback.py")))
AS_USER = () if os.geteuid() == 0 else ("--user", "--map-current-user", "--keep-caps")
WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")
"""Starts a process that ends with its parent, even a killed parent."""
NAMESPACES = (*WITH_US, "unshare", *AS_USER, "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--")


@dataclass(frozen=True)
class Part:
    """Part of the tests; parts that need the network, like image builds, share the host's.

    A part that `fetches` has packages of its own, fetched right before its tests, while other parts run.
    """

    name: str
    words: tuple[str, ...]
    shares_network: bool = False
    fetches: bool = False

    def command(self) -> list[str]:
        """The command line of the part, in private namespaces if possible."""
        limit = ["-o", f"faulthandler_timeout={TEST_LIMIT_S}", "-o", "faulthandler_exit_on_timeout=true"]
        pytest = [sys.executable, "-m", "pytest", *limit, *self.words]
        return pytest if self.shares_network or not can_isolate() else [*NAMESPACES, *ISOLATED, *pytest]


FOLDERS = ("proof", "restore", "zoo", "maintenance", "backup", "facts", "logfiles", "lab")
"""The parts of make test, longest first."""
APART = ("docker", "pgbackrest", "shop")
REST = tuple(f"--ignore=tests/{each}" for each in (*FOLDERS, *APART))
PARTS = (
    Part("docker", ("tests/docker",), shares_network=True),
    Part("pgbackrest", ("tests/pgbackrest",)),
    Part("shop", ("tests/shop",), fetches=True),
    Part("units", ("tests", *REST)),
    *(Part(each, (f"tests/{each}",)) for each in FOLDERS),
)
BY_NAME = {part.name: part for part in PARTS}
TEST = ("units", *FOLDERS)


def in_test() -> tuple[str, ...]:
    """The parts of make test; long parts come first, so that no long part runs alone at the end."""
    required = (name for name in APART if os.environ.get(f"OPSPROOF_REQUIRE_{name.upper()}") == "1")
    return (*required, *TEST)


@cache
def can_isolate() -> bool:
    """Whether private namespaces are possible."""
    words = [*NAMESPACES, *ISOLATED, "true"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


@dataclass(frozen=True)
class Ended:
    """How a part ended."""

    part: Part
    status: int
    seconds: float


def run(parts: Sequence[Part], times: Path, ended: Callable[[Ended], None] = lambda _: None) -> int:
    """Runs the parts in order, in parallel where possible; returns the worst exit status.

    Writes the times of each part into a folder of the part's name in `times`.
    """
    if any(not part.shares_network for part in parts) and can_isolate():
        _fetch()

    def work(part: Part) -> int:
        if part.fetches and can_isolate():
            _fetch(part.name)
        result = _run(part, times / part.name)
        ended(result)
        return result.status

    with ThreadPoolExecutor(SIDE_BY_SIDE if can_isolate() else 1) as pool:
        statuses = [pool.submit(work, part) for part in parts]
        try:
            return worst(each.result() for each in statuses)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _fetch(*names: str) -> None:
    subprocess.run([sys.executable, "-m", "tests.harness.fetch", *names], cwd=ROOT, check=True)


def worst(statuses: Iterable[int]) -> int:
    """The worst exit status; a signal counts as 128 + number, as in a shell; 5 without any status."""
    return max((128 - each if each < 0 else each for each in statuses), default=5)


def _run(part: Part, times: Path) -> Ended:
    """Prints a part's lines, prefixed by its name; records a failure without a failed test as an error."""
    times.mkdir(exist_ok=True)
    began = time.monotonic()
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "OPSPROOF_TIMES": str(times)}
    with subprocess.Popen(
        part.command(),
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.write(f"{part.name:>11} | {line}")
            sys.stdout.flush()
    counts = timing.read(times)["counts"]
    if process.returncode and not counts["failed"] and not counts["error"]:
        timing.write({"counts": {"error": 1}}, times)
    return Ended(part, process.returncode, time.monotonic() - began)


def main(words: Sequence[str] | None = None) -> int:
    """Runs the parts on the command line, and prints a summary unless the caller does."""
    parser = argparse.ArgumentParser(prog="python -m tests.harness.parts", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", choices=["test", *BY_NAME], metavar="NAME", help="test, or a part")
    names = [each for name in parser.parse_args(words).names for each in (in_test() if name == "test" else (name,))]
    chosen = [BY_NAME[name] for name in names]
    if "OPSPROOF_TIMES" in os.environ:
        return run(chosen, Path(os.environ["OPSPROOF_TIMES"]))
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        status = run(chosen, Path(folder))
        print("\n".join(timing.summary(timing.read(folder), time.monotonic() - began)))  # noqa: T201
    return status


if __name__ == "__main__":
    sys.exit(main())
