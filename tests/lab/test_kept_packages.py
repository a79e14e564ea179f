"""npm installs the packages once for all labs of a user."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import kept, node
from lab.layout import Layout

ROOT = Path(__file__).parents[2]
NPM = """
echo run >> {log}
rm -rf node_modules
mkdir -p node_modules/pm2/bin
echo "$(cat package-lock.json)" > node_modules/pm2/bin/pm2
ln -s pm2/bin/pm2 node_modules/link
sleep 0.3
"""
INSTALL = """
import os, pathlib, signal, sys
from lab import node
from lab.layout import Layout
if "killed" in sys.argv:
    pathlib.Path.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
node.install(Layout(pathlib.Path(sys.argv[1])), print)
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A private cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "opsproof"


@pytest.fixture
def home(tmp_path, script):
    """Makes a lab's home with a stub of npm that logs its runs."""

    def home(name, lock="one lock", release="v22.1.0"):
        layout = Layout(tmp_path / name)
        layout.create()
        script(layout.bin / "npm", NPM.format(log=tmp_path / "runs"))
        script(layout.bin / "node", f"echo {release}")
        (layout.app / "package.json").write_text("{}")
        (layout.app / "package-lock.json").write_text(lock)
        return layout

    return home


@pytest.fixture
def runs(tmp_path):
    return lambda: len((tmp_path / "runs").read_text().split())


def install(layout):
    """Installs like `up`; returns the path of PM2."""
    assert node.install(layout, lambda _: None)
    assert not node.install(layout, lambda _: None)
    assert (layout.app / "node_modules" / "link").is_symlink()
    return layout.app / "node_modules" / "pm2" / "bin" / "pm2"


def test_second_lab_copies_what_npm_installed_for_the_first(home, runs):
    assert install(home("first")).read_text() == install(home("second")).read_text() == "one lock\n"
    assert runs() == 1


def test_change_in_one_lab_does_not_affect_other_labs(home):
    install(home("first")).write_text("changed")
    install(home("second")).write_text("changed")
    assert install(home("third")).read_text() == "one lock\n"


@pytest.mark.parametrize("other", [{"lock": "another lock"}, {"release": "v24.0.0"}], ids=["lock", "release"])
def test_changed_sources_are_installed_again(home, runs, other):
    install(home("first"))
    install(home("second", **other))
    assert runs() == 2


def test_two_labs_install_at_the_same_time(home, cache):
    homes = [home("first"), home("second")]
    both = [subprocess.Popen([sys.executable, "-c", INSTALL, each.home], cwd=ROOT) for each in homes]
    assert [each.wait() for each in both] == [0, 0]
    assert [each.name.partition("-")[0] for each in cache.iterdir()] == ["node_modules"]
    assert install(home("third")).read_text() == "one lock\n"


def test_a_killed_installation_leaves_no_entry(home, cache, runs):
    first = home("first")
    words = [sys.executable, "-c", INSTALL, first.home, "killed"]
    assert subprocess.run(words, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    (draft,) = cache.iterdir()
    install(home("second"))
    install(first)
    assert runs() == 2
    long_ago = time.time() - 2 * kept.DAY_S
    os.utime(draft, (long_ago, long_ago))
    install(home("third", lock="another lock"))
    assert not draft.exists()


def test_unused_entries_are_removed(home, cache):
    install(home("first"))
    (entry,) = cache.iterdir()
    os.utime(entry, (0, 0))
    install(home("second"))
    install(home("third", lock="another lock"))
    assert entry.exists()
    os.utime(entry, (0, 0))
    install(home("fourth", lock="a third lock"))
    assert not entry.exists()


def test_without_a_cache_npm_installs_each_time(home, runs, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    install(home("first"))
    install(home("second"))
    assert runs() == 2
