"""Everything that can be proven: each fault alone, 25 kills of each kind, ten healthy rounds, PostgreSQL 14 to 18.

`python -m tests.harness.full` resumes an interrupted run of the same committed files, and records commit and date in
docs/proof.md. The next run after that proves everything again.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.harness import timing
from tests.harness.parts import PARTS, ROOT, Ended, run

STATE = ROOT / ".lab" / "proof-full.json"
DOCUMENT = ROOT / "docs" / "proof.md"
HEADING = "## The last one\n\n"
REQUIRED = {f"OPSPROOF_REQUIRE_{lab}": "1" for lab in ("DOCKER", "PGBACKREST", "SHOP")}
ENVIRONMENT = {"OPSPROOF_PROOF": "full", **REQUIRED}
NARROWING = "PYTEST_ADDOPTS"
"""An environment variable of pytest that could deselect tests of a part."""


@dataclass
class Progress:
    """The parts passed for a state of the code, kept in a file."""

    code: str
    path: Path
    parts: dict[str, dict[str, float]] = field(default_factory=dict)

    def load(self) -> None:
        """Loads the results of an interrupted run of the same code."""
        if self.path.exists():
            said = json.loads(self.path.read_text(encoding="utf-8"))
            self.parts = said["parts"] if said["code"] == self.code else {}

    def add(self, name: str, figures: dict[str, float]) -> None:
        """Records a passed part atomically."""
        self.parts[name] = figures
        self.path.parent.mkdir(exist_ok=True)
        draft = self.path.with_suffix(".new")
        draft.write_text(json.dumps({"code": self.code, "parts": self.parts}), encoding="utf-8")
        draft.replace(self.path)


def figures(folder: Path, seconds: float) -> dict[str, float]:
    """The figures of a part's tests."""
    counts = timing.read(folder)["counts"]
    return {"passed": counts["passed"], "skipped": counts["skipped"], "seconds": round(seconds)}


def record(text: str, commit: str, today: str, parts: dict[str, dict[str, float]]) -> str:
    """The document with the last record replaced."""
    rows = [f"| {name} | {each['passed']} | {each['skipped']} | {each['seconds']} s |" for name, each in parts.items()]
    head = f"Commit {commit}, {today}: all green.\n\n| part | passed | skipped | time |\n|---|---|---|---|\n"
    before, heading, _ = text.partition(HEADING)
    assert heading, f"no place for the record: {DOCUMENT} lacks {HEADING.strip()!r}"
    return before + heading + head + "\n".join(rows) + "\n"


def main() -> int:
    """Runs the remaining parts; returns pytest's worst exit status."""
    if changed := _changed():
        return _refuse(f"commit or stash first, for the record is of a commit: {changed}")
    commit, progress = _git("rev-parse", "HEAD"), Progress(_code(), STATE)
    progress.load()
    left = [part for part in PARTS if part.name not in progress.parts]
    print(f"parts to prove: {', '.join(part.name for part in left) or 'none'}", flush=True)  # noqa: T201
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(ENVIRONMENT)
        os.environ.pop(NARROWING, None)

        def ended(result: Ended) -> None:
            found = figures(Path(folder) / result.part.name, result.seconds)
            if result.status == 0 and found["passed"] and not _changed(commit, "no"):
                progress.add(result.part.name, found)

        status = run(left, Path(folder), ended) if left else 0
        print("\n".join(timing.summary(timing.read(folder), time.monotonic() - began)))  # noqa: T201
    return _conclude(commit, progress, status)


def _conclude(commit: str, progress: Progress, status: int) -> int:
    """Writes the record of a commit with all parts passed."""
    missing = [part.name for part in PARTS if part.name not in progress.parts]
    if status:
        return status
    if changed := _changed(commit):
        return _refuse(f"the files differ from the proven commit {commit[:12]}: {changed}")
    if missing:
        return _refuse(f"not proven of {commit[:12]}: {', '.join(missing)}")
    text = record(DOCUMENT.read_text(encoding="utf-8"), commit[:12], f"{datetime.now(UTC):%Y-%m-%d}", progress.parts)
    DOCUMENT.write_text(text, encoding="utf-8")
    progress.path.unlink()
    return 0


def _refuse(why: str) -> int:
    print(why, file=sys.stderr)  # noqa: T201
    return 2


def _changed(since: str = "HEAD", untracked: str = "normal") -> str:
    """Files that differ from a commit; running tests may leave untracked files for a moment."""
    moved = "" if _git("rev-parse", "HEAD") == _git("rev-parse", since) else "another commit is checked out\n"
    return moved + _git("status", "--porcelain", f"--untracked-files={untracked}")


def _code() -> str:
    """The hash of all committed files except the record itself; tests read the other documents."""
    record = f"\t{DOCUMENT.relative_to(ROOT)}"
    files = [line for line in _git("ls-tree", "-r", "HEAD").splitlines() if not line.endswith(record)]
    return hashlib.sha256("\n".join(files).encode()).hexdigest()[:12]


def _git(*words: str) -> str:
    answer = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return answer.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
