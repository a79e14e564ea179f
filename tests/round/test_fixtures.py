"""Checks name facts and resources by their arguments."""

import ast

from opsproof.facts import REGISTRY
from opsproof.inventory.hosts import RESOURCES
from opsproof.round.fixtures import FactFixtures


def test_every_argument_of_a_check_is_a_fixture_or_a_resource(repository):
    known = {*vars(FactFixtures), *REGISTRY, *RESOURCES}
    functions = [
        node
        for path in sorted((repository / "checks").rglob("test_*.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    assert len(functions) > 100
    assert [(each.name, arg.arg) for each in functions for arg in each.args.args if arg.arg not in known] == []
