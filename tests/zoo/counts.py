"""Counts of refused statements and of objects by kind, against the numbers recorded for each release."""

import json
import re
from pathlib import Path

from tests.restore.databases import Dumped

RECORDED = json.loads(Path(__file__).with_name("recorded.json").read_text())
"""By zoo and release: refused statements, and the number of objects by kind."""


def refused(errors: str) -> int:
    """The number of refused statements in the messages of psql."""
    return len(re.findall(r"^psql:.* ERROR: ", errors, re.MULTILINE))


def objects(database: Dumped) -> dict[str, int]:
    """The number of objects by kind in the newest manifest."""
    manifest = max((database.folder / "backups").glob("*.manifest.json"))
    return {kind: count for kind, (count, _) in json.loads(manifest.read_text())["server"]["objects"].items()}


def fallen(found: dict[str, int], recorded: dict[str, int]) -> dict[str, tuple[int, int]]:
    """Kinds with fewer objects than recorded: found and recorded numbers."""
    return {kind: (found.get(kind, 0), count) for kind, count in recorded.items() if found.get(kind, 0) < count}
