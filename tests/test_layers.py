"""Rules for imports between layers, for sizes and for docstrings, checked on the source code."""

import ast
import statistics
import sys
from collections import Counter
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "opsproof"
SOURCES = sorted(PACKAGE.rglob("*.py"))
CHECKS = sorted((ROOT / "checks").rglob("*.py"))
LAB = sorted((ROOT / "lab").rglob("*.py"))
ACTIONS = sorted((ROOT / "actions").rglob("*.py"))
LOCKS = [
    *sorted((ROOT / "requirements").glob("*.txt")),
    *(ROOT / folder / "package-lock.json" for folder in ("lab/app", "tests/facts/servers", "tests/harness/axe")),
]


def of(*names):
    """Modules of the package by name, for instance facts/disks."""
    return [path for path in SOURCES if path.relative_to(PACKAGE).with_suffix("").as_posix() in names]


def within(folder):
    return [path for path in SOURCES if path.parent == PACKAGE / folder]


@cache
def text_of(path):
    return path.read_text(encoding="utf-8")


@cache
def tree(path):
    return ast.parse(text_of(path))


def name(path):
    return path.relative_to(ROOT).as_posix()


@cache
def imported(path):
    """All modules that a file imports, at any level."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name(path)} imports relative to itself"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def imports(path, module):
    return any(each == module or each.startswith(f"{module}.") for each in imported(path))


def breaches(paths, *modules):
    return [f"{name(path)} imports {module}" for path in paths for module in modules if imports(path, module)]


@cache
def functions(path):
    """Each function with its length in lines, without decorators."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [(node, node.end_lineno - node.lineno + 1) for node in ast.walk(tree(path)) if isinstance(node, kinds)]


def test_sources_and_checks_are_found():
    assert len(SOURCES) > 20
    assert len(CHECKS) > 5


def test_checks_import_only_pytest_and_the_standard_library():
    allowed = {"pytest", *sys.stdlib_module_names}
    found = {name(path): {each.partition(".")[0] for each in imported(path)} - allowed for path in CHECKS}
    assert {path: roots for path, roots in found.items() if roots} == {}


@pytest.mark.parametrize(
    ("module", "homes"),
    [
        ("testinfra", ["transport/shell", "transport/ssh"]),
        ("subprocess", ["transport/shell", "postgres/client", "transport/tunnel"]),
        ("psycopg", ["postgres/connection", "postgres/dsn", "postgres/worker", "history/server"]),
        ("boto3", ["backup_store/s3"]),
        ("botocore", ["backup_store/s3"]),
        ("pyrage", ["backup_store/encryption"]),
        ("sqlite3", ["history/store", "history/file", "history/migration"]),
        ("jinja2", ["round/report/page", "round/report/index", "round/report/templates"]),
        ("markupsafe", ["round/report/templates"]),
        ("pytest_html", []),
        ("xdist", ["round/workers"]),
        ("tomllib", ["inventory/load"]),
        ("requests", ["transport/web"]),
    ],
)
def test_module_is_imported_only_where_allowed(module, homes):
    assert breaches([path for path in SOURCES if path not in of(*homes)], module) == []


def test_only_the_report_writes_html():
    elsewhere = [path for path in SOURCES if path.parent != PACKAGE / "round" / "report"]
    assert [name(path) for path in elsewhere if "</" in text_of(path)] == []


LAYERS = (
    {"core"},
    {"inventory"},
    {"transport"},
    {"postgres"},
    {"history"},
    {"backup_store", "schedule"},
    {"facts"},
    {"action"},
    {"backup"},
    {"restore", "maintenance", "logfiles"},
    {"round"},
    {"privileges"},
    {"doctor", "discovery"},
    {"plugin"},
    {"command"},
    {"__main__"},
)
"""The folders of the package from the lowest to the highest."""
LEVEL = {folder: level for level, folders in enumerate(LAYERS) for folder in folders}


def folder(path):
    """The folder of a module in the package, or the module name outside of the folders."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def dotted(path):
    """The import name of a module."""
    base = PACKAGE.parent if PACKAGE in path.parents else ROOT
    return ".".join(path.relative_to(base).with_suffix("").parts)


def imports_among(path, paths):
    """The imported modules among `paths`."""
    return [other for other in paths if other != path and dotted(other) in imported(path)]


def test_every_folder_has_a_layer():
    assert {folder(path) for path in SOURCES} == {*LEVEL, "__init__"}


def test_modules_import_their_own_folder_and_lower_layers():
    layered = [path for path in SOURCES if folder(path) in LEVEL]
    imports = [(path, each) for path in layered for each in imports_among(path, layered)]
    other = [(one, two) for one, two in imports if folder(one) != folder(two)]
    assert [(name(one), name(two)) for one, two in other if LEVEL[folder(two)] >= LEVEL[folder(one)]] == []


@pytest.mark.parametrize("paths", [SOURCES, LAB], ids=["package", "lab"])
def test_imports_are_acyclic(paths):
    graph = {path: imports_among(path, paths) for path in paths}
    with suppress(StopIteration):
        while graph:  # a module without imports of remaining modules is in no cycle
            free = next(path for path, others in graph.items() if not any(each in graph for each in others))
            del graph[free]
    assert sorted(map(name, graph)) == []


@pytest.mark.parametrize(
    ("paths", "modules"),
    [
        ([path for path in SOURCES if folder(path) not in {"round", "plugin", "command"}], ["pytest"]),
        (within("facts"), ["opsproof.postgres.client"]),
        ([path for path in SOURCES if folder(path) != "plugin"], ["opsproof.round.report", "opsproof.round.terminal"]),
        (SOURCES, ["checks", "actions", "lab", "tests"]),
        (CHECKS, ["actions", "lab", "tests", "opsproof"]),
        (ACTIONS, ["checks", "lab", "tests", "opsproof.plugin", "opsproof.round"]),
    ],
    ids=["pytest", "facts", "report and terminal", "package", "checks", "actions"],
)
def test_restricted_imports(paths, modules):
    inside = [path for path in paths if path.parent != PACKAGE / "round" / "report"]
    assert breaches(inside, *modules) == []


@pytest.mark.parametrize(("paths", "lines"), [(SOURCES, 400), (CHECKS, 80)], ids=["modules", "files of checks"])
def test_files_are_short(paths, lines):
    assert [name(path) for path in paths if len(text_of(path).splitlines()) > lines] == []


def test_functions_have_at_most_50_lines():
    found = [(name(path), *each) for path in [*SOURCES, *CHECKS, *ACTIONS] for each in functions(path)]
    assert [(path, node.name) for path, node, length in found if length > 50] == []


def test_functions_are_short():
    lengths = sorted(length for path in SOURCES for _, length in functions(path))
    assert statistics.median(lengths) <= 8
    assert lengths[int(len(lengths) * 0.95)] <= 35


def public(node, prefix=""):
    """Public functions, classes and methods, except in functions and private classes."""
    for each in getattr(node, "body", []):
        if isinstance(each, (ast.FunctionDef, ast.ClassDef)) and not each.name.startswith("_"):
            yield f"{prefix}{each.name}", each
            if isinstance(each, ast.ClassDef):
                yield from public(each, f"{each.name}.")


def test_public_definitions_have_docstrings():
    modules = {name(path): tree(path) for path in [*SOURCES, *ACTIONS]}
    assert [path for path, module in modules.items() if not ast.get_docstring(module)] == []
    found = [(path, each, node) for path, module in modules.items() for each, node in public(module)]
    assert [(path, each) for path, each, node in found if not ast.get_docstring(node)] == []


def test_checks_have_docstrings():
    found = {name(path): [each for each in public(tree(path)) if each[0].startswith("test_")] for path in CHECKS}
    assert [path for path, checks in found.items() if not checks] == []
    assert [each for checks in found.values() for each, node in checks if not ast.get_docstring(node)] == []


def test_monthly_checks_have_evidence_and_a_remedy():
    files = [path for path in CHECKS if "\npytestmark = [pytest.mark.monthly, pytest.mark.caused_by(" in text_of(path)]
    monthly = [node for path in files for _, node in public(tree(path))]
    checks = [node for node in monthly if node.name.startswith("test_")]
    bare = [each.name for each in checks if "evidence" not in {argument.arg for argument in each.args.args}]
    helpless = [each.name for each in checks if not each.decorator_list]
    assert len(checks) > 50
    assert (bare, helpless) == ([], [])


@pytest.mark.parametrize("path", LOCKS, ids=name)
def test_lock_files_name_no_registry(path):
    text = text_of(path)
    assert "sha512-" in text or "--hash=sha256:" in text
    assert "resolved" not in text
    assert "index-url" not in text


def test_names_of_checks_are_unique():
    found = [each for path in CHECKS for each, _ in public(tree(path)) if each.startswith("test_")]
    assert sorted(found) == sorted(set(found))


def test_no_two_modules_share_a_class_name():
    found = Counter(
        node.name for path in (*SOURCES, *ACTIONS) for node in tree(path).body if isinstance(node, ast.ClassDef)
    )
    assert [each for each, times in found.items() if times > 1] == []


def test_modules_are_short():
    assert statistics.median(len(text_of(path).splitlines()) for path in SOURCES) <= 120


SCRIPTS = sorted([*PACKAGE.rglob("*.sql"), *PACKAGE.rglob("*.pl")])


def test_a_script_begins_with_a_line_that_says_what_it_answers():
    marks = {".sql": "-- ", ".pl": "# "}
    first = {path: text_of(path).splitlines()[0] for path in SCRIPTS}
    silent = [path for path, line in first.items() if not line.startswith(marks[path.suffix]) or len(line) <= 20]
    assert list(map(name, silent)) == []


def test_a_script_lies_in_the_folder_of_its_language():
    folders = {".sql": "sql", ".pl": "host"}
    assert [name(path) for path in SCRIPTS if path.parent.name != folders[path.suffix]] == []


ROUNDS = {"daily", "weekly", "monthly", "quarterly", "predeploy", "postdeploy"}


@pytest.mark.parametrize("path", CHECKS, ids=name)
def test_a_file_of_checks_belongs_to_a_round(path):
    (marks,) = [
        node.value for node in tree(path).body if isinstance(node, ast.Assign) and node.targets[0].id == "pytestmark"
    ]
    assert ROUNDS & {node.attr for node in ast.walk(marks) if isinstance(node, ast.Attribute)}
