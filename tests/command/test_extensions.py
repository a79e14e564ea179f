"""The worked example of docs/extensions.md, installed; and extensions that cannot be loaded."""

import datetime
import re
import subprocess
import sys

import pytest

from opsproof.core import extensions
from tests.harness.documents import FENCED, ROOT, text_of

TODAY = datetime.datetime.now(tz=datetime.UTC).date()
EXAMPLE = [body.partition("\n") for _, body in FENCED.findall(text_of(ROOT / "docs" / "extensions.md"))]
FILES = {first.removeprefix("# "): text for first, _, text in EXAMPLE if first.startswith("# ")}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with the installed example, for PYTHONPATH."""
    source, target = tmp_path_factory.mktemp("licences"), tmp_path_factory.mktemp("site")
    for name, text in FILES.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text, encoding="utf-8")
    (source / "opsproof_licences" / "__init__.py").touch()
    words = ["install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", f"--target={target}", source]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, capture_output=True, timeout=120)
    return target


@pytest.fixture
def licensed(site, tmp_path, monkeypatch):
    """The inventory of the example with a licence of some days, in the current folder."""
    monkeypatch.setenv("PYTHONPATH", str(site))

    def write(days, more=""):
        (tmp_path / "licence.txt").write_text(f"{TODAY + datetime.timedelta(days=days)}\n", encoding="utf-8")
        text = FILES["inventory.toml"].replace("licence.txt", f"{tmp_path}/licence.txt")
        (tmp_path / "inventory.toml").write_text(text + more, encoding="utf-8")
        return "--inventory=inventory.toml"

    return write


def test_example_has_all_parts():
    parts = ("pyproject.toml", "inventory.toml", *(f"opsproof_licences/{each}.py" for each in ("metrics", "facts")))
    assert {*parts, "opsproof_licences/resources.py", "opsproof_licences/checks/test_licences.py"} == set(FILES)


@pytest.mark.parametrize(
    ("days", "status", "line"),
    [
        (100, 0, "1 passed"),
        (10, 0, "WARNED  PATH: licence validity 10 d (limit > 30 d)"),
        (-1, 1, "next: on vps-00: cat PATH"),
    ],
)
def test_round_runs_the_check(licensed, forked, days, status, line):
    found = forked("daily", licensed(days), "-k", "licence")
    assert (found.returncode, found.stderr) == (status, "")
    said = re.sub(r"/\S*licence.txt", "PATH", found.stdout)
    assert line in re.sub(r"1[01]\.\d d", "10 d", said)


def test_workers_and_pytest_in_the_clone_run_the_check(licensed, forked, tmp_path, repository):
    found = forked("daily", licensed(-1), "-k", "licence", "-n", "1")
    assert (found.returncode, "licence validity" in found.stdout) == (1, True), found.stdout + found.stderr
    words = ["-m", "daily", "-k", "licence", f"--inventory={tmp_path}/inventory.toml", f"--reports={tmp_path}/r"]
    here = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=repository, capture_output=True, text=True, check=False
    )
    assert (here.returncode, "licence validity" in here.stdout) == (1, True), here.stdout + here.stderr


def test_checks_and_waivers_know_the_check(licensed, forked, tmp_path):
    waiver = f'[[waivers]]\ncheck = "test_licence_is_valid"\non = "vps-00-{tmp_path}/licence.txt"\nowner = "o"\n'
    inventory = licensed(1, f'{waiver}reason = "ordered"\nexpires = {TODAY + datetime.timedelta(days=9)}\n')
    explained, waivers = forked("checks", "test_licence_is_valid", inventory), forked("waivers", inventory)
    assert "licence_validity: must > 0 ms, should > 30 d (source: ordering takes four weeks)" in explained.stdout
    assert (waivers.returncode, "o: ordered\n" in waivers.stdout) == (0, True)


def test_mistake_in_a_table_of_an_extension_is_named(licensed, forked):
    inventory = licensed(1, "[hosts.vps-00.licences.other]\nlnie = 2\n")
    found = forked("waivers", inventory)
    key = "hosts.vps-00.licences.other: unknown key 'lnie': did you mean 'line'?"
    assert (found.returncode, found.stderr) == (2, f"opsproof: inventory.toml: {key}\n")


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """Installs an extension of one module; without a name, without a package."""

    def install(name, text):
        described = tmp_path / "site" / "opsproof_broken-1.0.dist-info"
        described.mkdir(parents=True)
        (described / "METADATA").write_text("Metadata-Version: 2.1\nName: opsproof-broken\nVersion: 1.0\n")
        (described / "entry_points.txt").write_text(f"[{extensions.GROUP}]\nbroken = opsproof_broken\n")
        if name:
            package = tmp_path / "site" / "opsproof_broken"
            package.mkdir()
            (package / "__init__.py").touch()
            (package / name).write_text(text, encoding="utf-8")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))

    return install


@pytest.mark.parametrize(
    ("module", "why"),
    [
        (("facts.py", "import nowhere"), "facts cannot be loaded: ModuleNotFoundError: No module named 'nowhere'"),
        (("metrics.py", "METRICS = {'disk_used': 1}"), "metrics: disk_used exists already: rename it"),
        (
            ("facts.py", "from opsproof.facts.disks import Disks as Base\nclass Disks(Base): pass"),
            "opsproof_broken.facts: fact disks exists already: rename its class",
        ),
        (
            ("resources.py", "from opsproof.inventory.resources import Mount\nRESOURCES = {'disk': ('mounts', Mount)}"),
            "resources: disk or its table mounts exists already: rename it",
        ),
        ((None, ""), "the package is not installed"),
    ],
    ids=["import", "metric", "fact", "table", "package"],
)
def test_broken_extension_stops_a_run_in_a_line(forked, estate, broken, module, why):
    broken(*module)
    found = forked("daily", "disks", f"--inventory={estate(calm=120)}")
    line = f"ERROR: extension opsproof_broken: {why}: correct or uninstall the extension"
    assert (found.returncode, found.stdout, found.stderr.strip()) == (4, "", line)


def test_no_extension_is_loaded_without_an_entry_point():
    assert extensions.packages() == ()
