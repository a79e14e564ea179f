"""The lines of the old runbook that demand something: times, bullets, checklists, scripts and commands."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RUNBOOK = Path(__file__).with_name("maintenance.md")
_BLOCK = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
_BULLET = re.compile(r"^- (?:\[ \] |✅ )?(.*)$")
_TIME = re.compile(r"^\W*(?:run these checks |)(?:every|first|monthly)\b.*:\**$", re.IGNORECASE)
_COMMENT = re.compile(r"^# (.*)$")
_SCRIPT = re.compile(r"^[├└]── (.*)$")
_ECHO = re.compile(r'^echo (?:-e )?"(?:  - (.*)|.*)"$')
_PLUMBING = re.compile(r"^(?:#!|/|(?:if|else|fi|for|done|exit|set|sleep|cd)\b|[a-zA-Z_]+=(?!\$\()|\w+=\$\(date\b)")
_PSQL = re.compile(r'^docker exec meta-chat-postgres psql -U metachat -d \w+ -c "((?:\\"|[^"])*)"')


@dataclass(frozen=True)
class Line:
    """A line: its chapter, its step (the comment above a command, or nothing) and its text."""

    chapter: str
    step: str
    text: str


def read(text: str) -> list[Line]:
    """Every line, in the order of the runbook.

    A comment without a command below is a line too: a script's name, or a setting to edit by hand.
    """
    found, chapter = [], ""
    for part in _BLOCK.split(text):
        if part.startswith("```"):
            found += [Line(chapter, step, each) for step, each in _of_block(part.splitlines()[1:-1])]
            continue
        for line in part.splitlines():
            heading = re.match(r"#+ (.*)", line)
            chapter = heading[1] if heading else chapter
            found += [Line(chapter, "", each) for each in _of_prose(line)]
    return found


def _of_prose(line: str) -> Iterator[str]:
    bullet = _BULLET.match(line)
    if bullet or _TIME.match(line):
        yield (bullet[1] if bullet else line).replace("**", "").removesuffix(":")


def _of_block(lines: list[str]) -> Iterator[tuple[str, str]]:
    step, pending = "", False
    for line in [*_logical(lines), ""]:
        comment = _COMMENT.match(line)
        if comment:
            text = comment[1].removesuffix(":")
            step, pending = f"{step}: {text}" if pending else text, True
        elif not line and pending:
            yield "", step
            pending = False
        elif command := _command(line):
            yield step, command
            pending = False


def _logical(lines: list[str]) -> Iterator[str]:
    """Lines joined where a backslash or an open quotation mark continues them."""
    parts: list[str] = []
    for line in lines:
        parts.append(line.removesuffix("\\").strip())
        whole = " ".join(parts)
        if not line.endswith("\\") and whole.replace('\\"', "").count('"') % 2 == 0:
            yield whole
            parts = []


def _command(line: str) -> str:
    """A command, an echoed bullet or a script's name; empty for words of the shell and for echoed titles."""
    echoed, script = _ECHO.match(line), _SCRIPT.match(line)
    if echoed or script:
        return (echoed or script)[1] or ""
    return "" if _PLUMBING.match(line) else _PSQL.sub(r"\1", line)
