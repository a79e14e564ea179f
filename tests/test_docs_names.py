"""Documents name only files and identifiers that exist, and no old names."""

import re
from pathlib import Path

import pytest

from opsproof.core import metrics
from opsproof.history import renames
from tests.harness.documents import (
    ACTIONS,
    CHANGELOG,
    DESIGN,
    DOCUMENTS,
    OF_TODAY,
    README,
    ROOT,
    id_of,
    section,
    spans,
    text_of,
)

TOPS = ("actions", "checks", "docs", "inventory", "lab", "requirements", "src", "tests", ".ci")
FILES = {
    path.relative_to(ROOT)
    for top in TOPS
    for path in (ROOT / top).rglob("*")
    if path.is_file() and not {"node_modules", "__pycache__"} & set(path.parts)
} | {path.relative_to(ROOT) for path in ROOT.iterdir() if path.is_file()}
"""Files of the repository."""
FOLDERS = {folder for path in FILES for folder in path.parents}
PATHS = {path.as_posix() for path in FILES | FOLDERS}
BASES = ("", "src/opsproof/", "actions/", "docs/", "docs/privileges/", "inventory/")
"""Folders from which documents name files."""
NAMES_FILE = re.compile(r"(?![~/])[\w.*-]+(/[\w.*-]+)*(/|\.(py|pl|sql|md|toml|sudoers))")
ELSEWHERE = re.compile(r"reports/|SET\.|\.lab/|\.(venv|ssh)/|NAME|FILE|pm2-logrotate/")
"""Folders that runs make, and placeholders."""


def is_file(name):
    pattern = name.rstrip("/").replace("*", "[^/]*")
    return any(re.fullmatch(base + pattern, file) for base in BASES for file in PATHS)


@pytest.mark.parametrize("path", DOCUMENTS, ids=id_of)
def test_named_files_exist(path):
    shown = {each for each in spans(path) if NAMES_FILE.fullmatch(each) and not ELSEWHERE.search(each)}
    assert {each for each in shown if not is_file(each)} == set()


CODE = [path for path in FILES if path.suffix in (".py", ".pl", ".sql", ".js", ".toml", ".sudoers")]
CODE += [Path("Makefile"), Path(".ci", "run")]


@pytest.fixture(scope="session")
def words_of_the_code():
    texts = [text_of(ROOT / path) for path in CODE if ROOT / path != Path(__file__)]
    return set(re.findall(r"\w+", "\n".join([*texts, *PATHS])))


IDENTIFIER = re.compile(r"\b(?:[a-z0-9]+_\w+|[A-Z][a-z]+[A-Z]\w+|test_\w+)\b")
"""snake_case and CamelCase words: names in the code, not words of English."""
FOREIGN = {"pg_stat_all_tables", "pg_tblspc", "add_user", "set_permissions", "set_user_tags", "KexAlgorithms"}
FOREIGN |= {"PutObject", "GetObject", "ListBucket", "ListBucketMultipartUploads", "AbortMultipartUpload"}
FOREIGN |= {"DeleteObject", "GetObjectRetention", "secure_path", "log_date_format"}
FOREIGN |= {"opsproof_retune_N", "opsproof_retired_N", "out__DATE"}
"""Names of further products, and placeholders."""


@pytest.mark.parametrize("path", OF_TODAY, ids=id_of)
def test_named_identifiers_exist(path, words_of_the_code):
    shown = {word for each in spans(path) for word in IDENTIFIER.findall(each)}
    assert shown - FOREIGN - words_of_the_code == set()


RENAMED = dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|$", text_of(CHANGELOG), re.MULTILINE))
"""New names of checks and metrics by their old names."""


@pytest.mark.parametrize("path", OF_TODAY, ids=id_of)
def test_old_names_stand_only_in_the_changelog(path):
    words = set(re.findall(r"\w+", text_of(path)))
    assert words & set(RENAMED) == set()


def test_changelog_lists_every_renamed_check_and_metrics_of_today():
    checks = {old: new for old, new in RENAMED.items() if old.startswith("test_")}
    new_metrics = set(RENAMED.values()) - set(checks.values())
    assert checks == renames.CHECKS
    assert len(new_metrics) == 16
    assert new_metrics <= set(metrics.METRICS)


def drawn(heading):
    """The folders of the package in a tree of docs/design.md."""
    tree = text_of(DESIGN).partition(f"## {heading}\n")[2].split("```")[1]
    found, parent = set(), ""
    for line in tree.splitlines():
        depth = len(line) - len(line.lstrip())
        for name in re.findall(r"[a-z_/]+(?=/(?: |$))", line[:27]):
            found.add(f"{parent}/{name}" if depth == 4 else name)
            parent = name if depth == 2 else parent
    return found


def folders_in(top):
    """Folders below a folder, by their paths from there."""
    return {path.relative_to(top).as_posix() for path in FOLDERS if Path(top) in path.parents}


def test_design_draws_every_folder_of_the_package():
    trees = drawn("Folders in the order of a round") | drawn("Folders in the order of an action")
    assert trees - {"checks", "actions", "src/opsproof", "reports"} == folders_in("src/opsproof")


def test_design_names_every_other_folder():
    shown = set(re.findall(r"`([a-z_/]+)/`", section(DESIGN, "Further folders")))
    wanted = {
        f"{top}/{each}"
        for top in ("checks", "lab", "tests")
        for each in folders_in(top)
        if "images/" not in each and "shop/root" not in each
    }
    mirrored = {f"tests/{each}" for each in (*folders_in("src/opsproof"), "lab")}
    assert wanted - mirrored <= shown
    assert shown <= PATHS


def test_every_action_is_listed_in_the_readme():
    rows = section(README, "Backups every night, logs every day, repairs when needed")
    listed = set(re.findall(r"`(\w+\.py)`", rows))
    assert listed == {path.name for path in ACTIONS}
