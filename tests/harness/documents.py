"""The documents of the project, read by their tests."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
CHANGELOG = ROOT / "CHANGELOG.md"
INVENTORY = ROOT / "docs" / "inventory.md"
PRIVILEGES = ROOT / "docs" / "privileges.md"
DESIGN = ROOT / "docs" / "design.md"
RUNBOOK = ROOT / "docs" / "runbook.md"
DISASTER = ROOT / "docs" / "disaster.md"
ACTIONS = sorted((ROOT / "actions").glob("*.py"))
DOCUMENTS = [README, CONTRIBUTING, CHANGELOG, *sorted((ROOT / "docs").glob("*.md"))]
OF_TODAY = [each for each in DOCUMENTS if each != CHANGELOG]
FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


def text_of(path):
    return path.read_text(encoding="utf-8")


def blocks(path, language):
    return [body for each, body in FENCED.findall(text_of(path)) if each == language]


def prose(path):
    return FENCED.sub("", text_of(path))


def commands(path):
    """Code spans, and code blocks for a shell."""
    return [*re.findall(r"`([^`\n]+)`", prose(path)), *blocks(path, "sh"), *blocks(path, "")]


def section(path, heading):
    """The text from a heading to the next heading of any depth."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", prose(path), re.DOTALL | re.MULTILINE)
    assert found, f"{path.name} has no section {heading!r}"
    return found[1]


def first_column(text):
    return re.findall(r"^\| `?([^`|\n]+?)`? \|", text, re.MULTILINE)[1:]


def id_of(value):
    return value.relative_to(ROOT).as_posix() if isinstance(value, Path) else None


def spans(path):
    return re.findall(r"`([^`\n]+)`", prose(path))


def named(pattern, documents=DOCUMENTS):
    """Every match of a pattern in the commands of the documents."""
    return {each for path in documents for text in commands(path) for each in re.findall(pattern, text)}
