"""`opsproof do NAME`: runs an action."""

import ast
import importlib.util
import runpy
import sys

from opsproof.action import Action, options
from opsproof.action.options import ActionParser
from opsproof.command.usage import UsageError, unknown
from opsproof.core.installation import ACTIONS


def summaries() -> dict[str, str]:
    """The first line of the help of each action, by name."""
    return {path.stem: _summary(path.read_text(encoding="utf-8")) for path in sorted(ACTIONS.glob("*.py"))}


def parser(name: str) -> ActionParser:
    """The options of an action, from its script."""
    path = ACTIONS / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"opsproof_action_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(ACTIONS))  # scripts import the folder `installed` beside them
    spec.loader.exec_module(module)
    classes = [each for each in vars(module).values() if isinstance(each, type) and each.__module__ == spec.name]
    return options.parser(next(each for each in classes if issubclass(each, Action)))


def _summary(source: str) -> str:
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n\n")[0].replace("\n", " ")


def run(words: list[str]) -> int:
    """Runs the script of the action that the first of `words` names, with the further words.

    Raises:
        UsageError: no such action.
    """
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write(_help())
        return 0
    name = words[0].removesuffix(".py")
    if not (ACTIONS / f"{name}.py").is_file() or "/" in name:
        raise UsageError(unknown("action", words[0], summaries(), "opsproof do"))
    return _run(name, words[1:])


def _run(name: str, words: list[str]) -> int:
    script = str(ACTIONS / f"{name}.py")
    sys.path.insert(0, str(ACTIONS))
    sys.argv = [script, *words]
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    return 0


def _help() -> str:
    rows = [f"  {name:16}{summary}" for name, summary in summaries().items()]
    head = ["usage: opsproof do ACTION [OPTION ...]", "", "actions:"]
    return "\n".join([*head, *rows, "", "opsproof do ACTION --help explains an action", "", _EXAMPLES])


_EXAMPLES = """\
examples:
  opsproof do backup --inventory=inventory/metachat.toml
  opsproof do vacuum --host=vps-00 --database=metachat --apply
"""
