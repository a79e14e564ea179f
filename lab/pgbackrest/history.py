"""Backdates pgBackRest's backups and the journal: no test waits three days for an old backup."""

import json
import re
import time
from hashlib import sha1
from pathlib import Path

FILES = ("backup.info", "backup.info.copy")


def set_ages(repo: Path, ages_s: list[float]) -> None:
    """Sets the ages of a repository's backups, oldest first, in backup.info with a correct checksum."""
    for name in FILES:
        path = repo / "backup" / "metachat" / name
        text = path.read_text()
        for label, age_s in zip(re.findall(r"^(\d{8}-\d{6}F\S*)=", text, re.MULTILINE), ages_s, strict=True):
            text = "\n".join(
                _backdated(line, age_s) if line.startswith(f"{label}=") else line for line in text.split("\n")
            )
        path.write_text(with_checksum(text))


def _backdated(line: str, by_s: float) -> str:
    """A backup's line with its start moved to `by_s` before now, and its stop by the same amount."""
    label, _, said = line.partition("=")
    known = json.loads(said)
    shift = int(time.time() - by_s) - known["backup-timestamp-start"]
    for end in ("start", "stop"):
        known[f"backup-timestamp-{end}"] += shift
    return f"{label}={json.dumps(known, separators=(',', ':'))}"


def with_checksum(text: str) -> str:
    """A pgBackRest file with a correct checksum."""
    sections: dict[str, list[str]] = {}
    for line in filter(None, text.splitlines()):
        if header := re.fullmatch(r"\[(.*)\]", line):
            inside = sections.setdefault(header[1], [])
        elif not line.startswith("backrest-checksum="):
            key, _, value = line.partition("=")
            inside.append(f'"{key}":{value}')
    content = ",".join(f'"{name}":{{{",".join(lines)}}}' for name, lines in sections.items())
    checksum = sha1(f"{{{content}}}".encode()).hexdigest()
    return re.sub(r'backrest-checksum="\w+"', f'backrest-checksum="{checksum}"', text)


def forget(reports: Path, *actions: str) -> None:
    """Removes actions from the journal in a reports folder."""
    path = reports / "journal.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if json.loads(line)["action"] not in actions))


def backdate(path: Path, by_s: float) -> None:
    """Backdates all entries of a journal."""
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({**each, "began": each["began"] - by_s}) + "\n" for each in entries))
