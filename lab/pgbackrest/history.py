"""What pgBackRest and the journal know of the past, changed: nobody waits three days for a backup to be old."""

import json
import re
import time
from hashlib import sha1
from pathlib import Path

FILES = ("backup.info", "backup.info.copy")


def age(repo: Path, ages_s: list[float]) -> None:
    """Gives the backups of a repository these ages, oldest first, and seals pgBackRest's list of them."""
    for name in FILES:
        path = repo / "backup" / "metachat" / name
        text = path.read_text()
        for label, age_s in zip(re.findall(r"^(\d{8}-\d{6}F\S*)=", text, re.MULTILINE), ages_s, strict=True):
            text = "\n".join(_aged(line, age_s) if line.startswith(f"{label}=") else line for line in text.split("\n"))
        path.write_text(sealed(text))


def _aged(line: str, by_s: float) -> str:
    """A line of a backup with both of its times so much earlier than now."""
    label, _, said = line.partition("=")
    known = json.loads(said)
    shift = int(time.time() - by_s) - known["backup-timestamp-start"]
    for end in ("start", "stop"):
        known[f"backup-timestamp-{end}"] += shift
    return f"{label}={json.dumps(known, separators=(',', ':'))}"


def sealed(text: str) -> str:
    """A file of pgBackRest with the checksum of what stands in it."""
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
    """Takes these actions out of the journal in a folder of reports."""
    path = reports / "journal.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if json.loads(line)["action"] not in actions))


def put_back(path: Path, by_s: float) -> None:
    """Makes the entries of a journal older."""
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({**each, "began": each["began"] - by_s}) + "\n" for each in entries))
