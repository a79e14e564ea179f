"""Everything that can be proven: each fault alone, 25 kills of each kind, ten healthy rounds, PostgreSQL 14 to 18.

`python -m tests.harness.full` resumes an interrupted run of the same committed code, and records commit and date in
docs/proof.md.
"""

import hashlib
import json
import os
import re
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
ENVIRONMENT = {"OPSPROOF_PROOF": "full", "OPSPROOF_REQUIRE_DOCKER": "1", "OPSPROOF_REQUIRE_PGBACKREST": "1"}


@dataclass
class Progress:
    """The parts passed for a state of the code, kept in a file."""

    code: str
    path: Path = STATE
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
    return re.sub(r"(?s)(## The last one\n\n).*", lambda found: found[1] + head + "\n".join(rows) + "\n", text)


def main() -> int:
    """Runs the remaining parts; returns pytest's worst exit status."""
    if _git("status", "--porcelain"):
        print("commit or stash first: the record is of a commit", file=sys.stderr)  # noqa: T201
        return 2
    progress = Progress(_code())
    progress.load()
    left = [part for part in PARTS if part.name not in progress.parts]
    print(f"parts to prove: {', '.join(part.name for part in left) or 'none'}", flush=True)  # noqa: T201
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(ENVIRONMENT)

        def ended(result: Ended) -> None:
            if result.status == 0:
                progress.add(result.part.name, figures(Path(folder) / result.part.name, result.seconds))

        status = run(left, Path(folder), ended) if left else 0
        print("\n".join(timing.summary(timing.read(folder), time.monotonic() - began)))  # noqa: T201
    if status == 0:
        commit, today = _git("rev-parse", "--short=12", "HEAD"), f"{datetime.now(UTC):%Y-%m-%d}"
        text = record(DOCUMENT.read_text(encoding="utf-8"), commit, today, progress.parts)
        DOCUMENT.write_text(text, encoding="utf-8")
    return status


def _code() -> str:
    """The hash of all committed files except documents, which do not affect lab tests."""
    files = [line for line in _git("ls-tree", "-r", "HEAD").splitlines() if not line.endswith(".md")]
    return hashlib.sha256("\n".join(files).encode()).hexdigest()[:12]


def _git(*words: str) -> str:
    answer = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return answer.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
