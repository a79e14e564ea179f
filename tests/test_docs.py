"""Documents match the code: every name in them exists, every example works."""

import re
import sqlite3
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lab.postgres import SUPERUSER
from opsproof import plugin
from opsproof.core import metrics
from opsproof.core.errors import InventoryError
from opsproof.core.limits import Measurement
from opsproof.core.metrics import METRICS
from opsproof.core.units import UNITS
from opsproof.core.verdicts import ORDER, Verdict
from opsproof.history import migration
from opsproof.history.store import History
from opsproof.inventory import hosts, resources
from opsproof.inventory.hosts import RESOURCES
from opsproof.inventory.load import load
from opsproof.round import judging

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
CHANGELOG = ROOT / "CHANGELOG.md"
INVENTORY = ROOT / "docs" / "inventory.md"
PRIVILEGES = ROOT / "docs" / "privileges.md"
DESIGN = ROOT / "docs" / "design.md"
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


@pytest.mark.parametrize(("path", "most"), [(README, 150), (CONTRIBUTING, 170), (DESIGN, 350)], ids=id_of)
def test_document_is_short(path, most):
    assert len(text_of(path).splitlines()) <= most


@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_is_listed_with_its_unit_and_meaning(metric):
    _, unit, meaning, _ = METRICS[metric]
    rows = [line for line in text_of(INVENTORY).splitlines() if line.startswith(f"| `{metric}` |")]
    assert [row.split(" | ")[:3] for row in rows] == [[f"| `{metric}`", unit, meaning]]


def test_a_metric_is_listed_with_the_checks_that_judge_by_it():
    source = "\n".join(text_of(path) for path in sorted((ROOT / "checks").rglob("test_*.py")))
    judged = {}
    for check, body in re.findall(r"^def (test_\w+)(.*?)(?=^def |\Z)", source, re.DOTALL | re.MULTILINE):
        for metric in re.findall(r"allowed\.(\w+)", body):
            judged.setdefault(metric, set()).add(check)
    rows = re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", section(INVENTORY, "Metrics"), re.MULTILINE)
    assert {metric: set(re.findall(r"\w+", checks)) for metric, checks in rows} == judged


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("Top level", hosts.InventoryFile),
        ("Limits", resources.Rule),
        ("Waivers", hosts.Waiver),
        ("`pm2`", resources.Pm2),
        ("`clock`", resources.Clock),
        ("`logs`", resources.Log),
        ("`rotation`", resources.Rotation),
        ("`endpoints`", resources.Endpoint),
        ("`mounts`", resources.Mount),
        ("`databases`", resources.Database),
        ("`partitioned`", resources.Partitioned),
        ("`vector_indexes`", resources.VectorIndex),
        ("`backups`", resources.Backup),
        ("`broker`", resources.Broker),
        ("`queues`", resources.Queue),
        ("`caches`", resources.Cache),
        ("`sshd`", resources.Sshd),
    ],
)
def test_inventory_table_is_described_key_by_key(heading, model):
    keys = set(model.model_fields) - ({"limits"} if issubclass(model, resources.Resource) else set())
    assert set(first_column(section(INVENTORY, heading))) - {"key"} == keys


def test_host_is_described_key_by_key():
    tables = set(RESOURCES.values())
    keys = set(hosts.Host.model_fields) - tables
    assert set(first_column(section(INVENTORY, "A host: `[hosts.NAME]`"))) == keys
    assert set(re.findall(r"^### `(\w+)`$", text_of(INVENTORY), re.MULTILINE)) == tables


def test_every_resource_argument_is_listed():
    listed = re.findall(r"`([^`]+)`", section(INVENTORY, "Resources"))
    assert set(RESOURCES) <= set(listed)


def test_units_are_described_with_suffixes():
    rows = section(INVENTORY, "Units")
    assert set(first_column(rows)) == {*UNITS, "word"}
    for unit in ("bytes", "seconds"):
        (row,) = [line for line in rows.splitlines() if line.startswith(f"| {unit} ")]
        assert set(re.findall(r"[A-Za-z]+", " ".join(re.findall(r"`([^`]+)`", row.split("|")[2])))) == set(UNITS[unit])


class Options(list[str]):
    """Stands in for pytest's parser: keeps the names."""

    def getgroup(self, _name):
        return self

    def addoption(self, *names, **_how):
        self.extend(names)


def own_options():
    options = Options()
    plugin.pytest_addoption(options)
    return list(options)


@pytest.mark.parametrize("option", own_options())
def test_option_is_explained(option):
    assert re.search(rf"{option}\b", text_of(README) + text_of(INVENTORY))


def test_verdicts_and_exit_codes_are_listed():
    listed = first_column(section(README, "Verdicts and exit codes"))
    exits = {*pytest.ExitCode, judging.UNKNOWN_EXIT}
    assert set(listed) - {"exit"} == {*ORDER, *(str(int(each)) for each in exits)}


LINKS = [
    (path, link)
    for path in DOCUMENTS
    for link in re.findall(r"\]\(([^)]+)\)", prose(path))
    if not link.startswith("https://")
]


@pytest.mark.parametrize(("path", "link"), LINKS, ids=id_of)
def test_link_target_exists(path, link):
    file, _, anchor = link.partition("#")
    target = (path.parent / file).resolve() if file else path
    assert target.exists()
    headings = re.findall(r"^#+ (.*)$", prose(target), re.MULTILINE) if anchor else []
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert {anchor} - {""} <= anchors


def test_every_document_is_linked():
    linked = {(path.parent / link.partition("#")[0]).resolve() for path, link in LINKS}
    assert {*DOCUMENTS} - {README} <= linked


def named(pattern, documents=DOCUMENTS):
    """Every match of a pattern in the commands of the documents."""
    return {each for path in documents for text in commands(path) for each in re.findall(pattern, text)}


def test_named_make_targets_exist():
    targets = set(re.findall(r"^([a-z][a-z-]*):", text_of(ROOT / "Makefile"), re.MULTILINE))
    shown = named(r"(?:^|\n)\s*make ([a-z-]+)")
    assert {"demo", "test", "check"} <= shown
    assert shown <= targets


FILES = {
    path.relative_to(ROOT).as_posix()
    for top in ("actions", "checks", "docs", "inventory", "lab", "requirements", "src", "tests", ".ci")
    for path in (ROOT / top).rglob("*")
    if not {"node_modules", "__pycache__"} & set(path.parts)
} | {path.name for path in ROOT.iterdir()}
"""Files and folders of the repository."""
BASES = ("", "src/opsproof/", "src/opsproof/transport/", "actions/", "docs/", "docs/privileges/", "inventory/")
"""Folders from which documents name files."""
NAMES_FILE = re.compile(r"(?![~/])[\w.*-]+(/[\w.*-]+)*(/|\.(py|pl|sql|md|toml|sudoers))")
ELSEWHERE = re.compile(r"reports/|SET\.|\.lab/|\.(venv|ssh)/|NAME|FILE|pm2-logrotate/")
"""Folders that runs make, and placeholders."""


def spans(path):
    return re.findall(r"`([^`\n]+)`", prose(path))


def is_file(name):
    pattern = name.rstrip("/").replace("*", "[^/]*")
    return any(re.fullmatch(base + pattern, file) for base in BASES for file in FILES)


@pytest.mark.parametrize("path", DOCUMENTS, ids=id_of)
def test_named_files_exist(path):
    shown = {each for each in spans(path) if NAMES_FILE.fullmatch(each) and not ELSEWHERE.search(each)}
    assert {each for each in shown if not is_file(each)} == set()


CODE = [ROOT / each for each in FILES if each.endswith((".py", ".pl", ".sql", ".js", ".toml", ".sudoers", ".cfg"))]
CODE += [ROOT / "Makefile", ROOT / ".ci" / "run", ROOT / "lab" / "docker" / "images"]


@pytest.fixture(scope="session")
def words_of_the_code():
    texts = [text_of(path) for path in CODE if path.is_file() and path != Path(__file__)]
    return set(re.findall(r"\w+", "\n".join([*texts, *FILES])))


IDENTIFIER = re.compile(r"\b(?:[a-z0-9]+_\w+|[A-Z][a-z]+[A-Z]\w+|test_\w+)\b")
"""snake_case and CamelCase words: names in the code, not words of English."""
FOREIGN = {"pg_stat_all_tables", "pg_tblspc", "add_user", "set_permissions", "set_user_tags", "KexAlgorithms"}
FOREIGN |= {"PutObject", "GetObject", "ListBucket", "ListBucketMultipartUploads", "AbortMultipartUpload"}
FOREIGN |= {"DeleteObject", "secure_path", "log_date_format"}
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
    assert checks == migration.CHECKS
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


FOLDERS = {
    top: {
        path.relative_to(ROOT / top).as_posix()
        for path in (ROOT / top).rglob("*")
        if path.is_dir() and not re.search(r"__pycache__|node_modules|images/|\.egg", str(path))
    }
    for top in ("src/opsproof", "checks", "lab", "tests")
}


def test_design_draws_every_folder_of_the_package():
    trees = drawn("Folders in the order of a round") | drawn("Folders in the order of an action")
    assert FOLDERS["src/opsproof"] <= trees
    assert trees - {"checks", "actions", "src/opsproof", "reports"} <= FOLDERS["src/opsproof"]


def test_design_names_every_other_folder():
    shown = set(re.findall(r"`([a-z_/]+)/`", section(DESIGN, "Further folders")))
    wanted = {f"{top}/{each}" for top in ("checks", "lab", "tests") for each in FOLDERS[top]}
    mirrored = {f"tests/{each}" for each in (*FOLDERS["src/opsproof"], "lab")}
    assert wanted - mirrored <= shown
    assert shown <= FILES


def test_every_action_is_listed_in_the_readme():
    listed = set(
        re.findall(r"`(\w+\.py)`", section(README, "Backups every night, logs every day, repairs when needed"))
    )
    assert listed == {path.name for path in ACTIONS}


LAB = ("up", "down", "status", "traffic")
HELP = """
import contextlib, runpy, sys
for script in sys.argv[1:]:
    name, *words = script.split()
    sys.argv = [name, *words, "--help"]
    with contextlib.suppress(SystemExit):
        (runpy.run_path if name.endswith(".py") else runpy.run_module)(name, run_name="__main__")
"""
"""Prints the help of the given modules and scripts, all in a single process."""


@pytest.fixture(scope="session")
def known_options():
    """Every option of pytest with opsproof, of the lab, and of actions."""
    pytest_told = subprocess.check_output([sys.executable, "-m", "pytest", "--help"], cwd=ROOT, text=True)
    scripts = ["lab.__main__", *(f"lab.__main__ {each}" for each in LAB), *(f"actions/{each.name}" for each in ACTIONS)]
    told = subprocess.check_output([sys.executable, "-c", HELP, *scripts], cwd=ROOT, text=True)
    assert told.count("usage: ") == len(scripts)
    return set(re.findall(r"--[a-z][a-z-]+", pytest_told + told))


def test_named_options_exist(known_options):
    ours = [path for path in DOCUMENTS if path != PRIVILEGES]  # shows options of the host's tools
    shown = named(r"(?<![\w-])--[a-z][a-z-]+", ours)
    assert set(own_options()) <= shown
    assert shown <= known_options


def test_named_test_paths_and_rounds_exist():
    paths = named(r"pytest ((?:checks|tests)[\w/.]*)")
    rounds = named(r"(?:^|\s)-m ([a-z]+)") - {"lab", "opsproof"}
    pyproject = tomllib.loads(text_of(ROOT / "pyproject.toml"))
    markers = {each.partition(":")[0] for each in pyproject["tool"]["pytest"]["ini_options"]["markers"]}
    assert [each for each in paths if not (ROOT / each).exists()] == []
    assert paths
    assert {"daily", "weekly", "predeploy", "postdeploy"} <= rounds <= markers


@pytest.fixture
def written(tmp_path):
    """Writes an example beside a copy of the production inventory."""
    (tmp_path / "metachat.toml").write_text(text_of(ROOT / "inventory" / "metachat.toml"), encoding="utf-8")

    def write(text):
        path = tmp_path / "example.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


EXAMPLES = blocks(INVENTORY, "toml")
COMPLETE = [each for each in EXAMPLES if each.startswith("# complete\n")]
WRONG = [each for each in EXAMPLES if each.startswith("# wrong: ")]


def test_every_example_is_marked_complete_or_wrong():
    assert len(COMPLETE) >= 1
    assert len(WRONG) >= 1
    assert len(COMPLETE) + len(WRONG) == len(EXAMPLES)


@pytest.mark.parametrize("example", COMPLETE, ids=range(len(COMPLETE)))
def test_complete_example_loads(written, example):
    assert "vps-01" in load(written(example)).hosts


def test_first_example_declares_every_resource(written):
    inventory = load(written(COMPLETE[0]))
    assert [resource for resource in RESOURCES if not inventory.hosts["vps-01"].resources(resource)] == []
    assert inventory.waivers


@pytest.mark.parametrize("example", WRONG, ids=range(len(WRONG)))
def test_wrong_example_raises_the_quoted_message(written, example):
    path = written(example)
    with pytest.raises(InventoryError) as caught:
        load(path)
    assert str(caught.value) == f"{path}: {example.splitlines()[0].removeprefix('# wrong: ')}"


COPIES = [each.split("\n", maxsplit=1) for language in ("python", "toml") for each in blocks(CONTRIBUTING, language)]


@pytest.mark.parametrize(("source", "code"), COPIES, ids=[source for source, _ in COPIES])
def test_example_is_quoted_from_the_code(source, code):
    assert code in text_of(ROOT / source.removeprefix("# "))


def test_recording_of_the_example_exists():
    (recording,) = named(r"> (tests/recorded/\S+)", [CONTRIBUTING])
    assert (ROOT / recording).is_file()


def test_monitoring_role_sees_statistics(postgres):
    sql = text_of(ROOT / "docs" / "privileges" / "monitor.sql")
    with postgres.server.connect(SUPERUSER, postgres.password, "postgres") as connection:
        connection.execute(sql.encode())
        try:
            connection.execute("SET ROLE opsproof_monitor")
            query = "SELECT count(*) FROM pg_stat_activity WHERE query = '<insufficient privilege>'"
            assert connection.execute(query).fetchone() == (0,)
        finally:
            connection.execute("RESET ROLE")
            connection.execute("DROP OWNED BY opsproof_monitor")
            connection.execute("DROP ROLE opsproof_monitor")


def test_history_query_of_the_readme_works(tmp_path):
    (command,) = [each for each in blocks(README, "sh") if each.startswith("sqlite3 ")]
    query = command.split('"')[1]
    measured = Measurement("memory available", 94.5, "percent", "> 5 %", "passed", "")
    verdict = Verdict("test_memory_is_available[lab]", "lab", "", measurements=[measured])
    History(tmp_path / "history.sqlite").add(0.0, "lab.toml", "daily", [verdict])
    connection = sqlite3.connect(tmp_path / "history.sqlite")
    assert connection.execute(query).fetchall() == [("1970-01-01 00:00:00", 94.5, "percent")]
    connection.close()
