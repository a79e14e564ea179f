"""The checks as their files declare them, read without running them."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsproof.core.rounds import ROUNDS


@dataclass(frozen=True)
class DeclaredCheck:
    """A check: name, file, rounds, arguments, and the judged metrics.

    `why` is the first paragraph of the docstring. `remedy` has the words of the command that repairs or examines.
    """

    name: str
    path: Path
    rounds: tuple[str, ...]
    arguments: tuple[str, ...]
    metrics: tuple[str, ...]
    why: str
    remedy: tuple[str, ...]

    @property
    def subject(self) -> str:
        """The name of the folder of the check."""
        return self.path.parent.name


def read(folders: Iterable[Path]) -> dict[str, DeclaredCheck]:
    """The checks in `folders`, by name, in the order of their files."""
    paths = [path for folder in folders for path in sorted(folder.rglob("test_*.py"))]
    return {each.name: each for path in paths for each in _checks(path)}


def _checks(path: Path) -> Iterator[DeclaredCheck]:
    module = ast.parse(path.read_text(encoding="utf-8"))
    names = {node.targets[0].id: node.value for node in module.body if _is_named(node)}  # type: ignore[attr-defined]
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            why = " ".join((ast.get_docstring(node) or "").split("\n\n", maxsplit=1)[0].split())
            marks = [names.get("pytestmark"), *node.decorator_list]
            used = {each.attr for mark in marks if mark for each in ast.walk(mark) if isinstance(each, ast.Attribute)}
            rounds = tuple(name for name in ROUNDS if name in used)
            arguments = tuple(each.arg for each in node.args.args)
            yield DeclaredCheck(node.name, path, rounds, arguments, _metrics(node), why, _remedy(node, names))


def _is_named(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)


def _metrics(check: ast.FunctionDef) -> tuple[str, ...]:
    """The metrics of a check: ``allowed.METRIC`` in the body."""
    uses = [node for node in ast.walk(check) if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)]
    return tuple(dict.fromkeys(each.attr for each in uses if ast.unparse(each.value) == "allowed"))


def _remedy(check: ast.FunctionDef, names: dict[str, ast.expr]) -> tuple[str, ...]:
    for mark in check.decorator_list:
        call = names.get(mark.id) if isinstance(mark, ast.Name) else mark
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.remedy":
            return tuple(word for each in call.args for word in _words(each, names))
    return ()


def _words(argument: ast.expr, names: dict[str, ast.expr]) -> tuple[str, ...]:
    """The words of an argument; a starred name is replaced by its value in the file."""
    value = _value(argument.value if isinstance(argument, ast.Starred) else argument, names)
    return (value,) if isinstance(value, str) else tuple(value)


def _value(node: ast.expr, names: dict[str, ast.expr]) -> Any:
    """The value of a literal, of a name in the file, or of ``NAME.format(…)``."""
    if isinstance(node, ast.Name):
        return _value(names[node.id], names)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        return _value(node.func.value, names).format(*(_value(each, names) for each in node.args))
    return ast.literal_eval(node)
