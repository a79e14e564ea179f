"""Debian's Chromium for pages: skipped without it or without playwright, unless OPSPROOF_REQUIRE_CHROMIUM=1."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from lab import node
from lab.layout import Layout

AXE = Path(__file__).parent / "axe"


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser without a window."""
    program = shutil.which("chromium") or _missing("chromium is not installed")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("playwright is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


def _missing(why: str) -> Any:
    if os.environ.get("OPSPROOF_REQUIRE_CHROMIUM") == "1":
        pytest.fail(why)
    pytest.skip(why)


@cache
def axe() -> str:
    """The script of axe-core, installed from npm once per lock file."""
    mark = hashlib.sha256((AXE / "package-lock.json").read_bytes()).hexdigest()[:12]
    place = Path("/var/tmp") / f"opsproof-axe-{os.geteuid()}-{mark}"
    if not place.exists():
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
            tools, draft = Layout(Path(folder) / "tools"), Path(folder) / "axe"
            tools.create()
            node.link(tools, print)
            shutil.copytree(AXE, draft)
            words = [tools.bin / "npm", "ci", "--prefer-offline", "--ignore-scripts", "--no-update-notifier"]
            subprocess.run(words, cwd=draft, check=True, timeout=300, env={"PATH": node.path(tools)})
            draft.rename(place)
    return (place / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
