"""`opsproof completion SHELL`: a script that completes commands, options and names, made from the parsers."""

import re
import sys
from argparse import ArgumentParser
from dataclasses import dataclass
from importlib import import_module

from opsproof.action.options import ActionParser
from opsproof.command import actions, checks, options, rounds
from opsproof.command.main import COMMANDS
from opsproof.core.installation import CHECKS
from opsproof.core.rounds import ROUNDS

_EXAMPLES = """\
opsproof completion bash > ~/.local/share/bash-completion/completions/opsproof
opsproof completion zsh >> ~/.zshrc
opsproof completion fish > ~/.config/fish/completions/opsproof.fish"""
_BASH = """\
_opsproof() {{
    local command=${{COMP_WORDS[1]}} word=${{COMP_WORDS[COMP_CWORD]}} words=
    [ "$command" = do ] && [ "$COMP_CWORD" -gt 2 ] && command="do ${{COMP_WORDS[2]}}"
    [ "$COMP_CWORD" = 1 ] && command=
    COMPREPLY=()
    case "${{COMP_WORDS[COMP_CWORD-1]}} $word" in *" =" | "= "* ) return ;; esac  # the value of an option: a file
    case "$command" in
{cases}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _opsproof opsproof
"""


@dataclass(frozen=True)
class Completed:
    """The words after a command: its options, and names."""

    options: tuple[str, ...]
    names: tuple[str, ...] = ()


def parser() -> ActionParser:
    """The options of `opsproof completion`."""
    made = options.parser("completion", "Prints a script that completes commands, options and names.", _EXAMPLES)
    made.add_argument("shell", choices=list(_SCRIPTS), metavar="SHELL", help="bash, zsh or fish")
    return made


def run(words: list[str]) -> int:
    """Prints the script."""
    sys.stdout.write(_SCRIPTS[parser().parse_args(words).shell](_completed()))
    return 0


def _completed() -> dict[str, Completed]:
    """What to complete after the words of each command."""
    subjects = tuple(sorted(path.name for path in CHECKS.iterdir() if path.is_dir() and path.name[0] != "_"))
    found = {name: Completed(_options(rounds.parser(name)), subjects) for name in ROUNDS}
    names = {"checks": tuple(checks.known()), "completion": tuple(_SCRIPTS)}
    for name in [each for each in COMMANDS if each not in found and each != "do"]:
        made = import_module(f"opsproof.command.{name}").parser()
        found[name] = Completed(_options(made), names.get(name, ()))
    found["do"] = Completed((), tuple(actions.summaries()))
    found |= {f"do {name}": Completed(_options(actions.parser(name))) for name in actions.summaries()}
    return {"": Completed((), tuple(name for name in found if " " not in name)), **found}


def _options(made: ArgumentParser) -> tuple[str, ...]:
    return tuple(dict.fromkeys(re.findall(r"(?<=[\[ ])--[a-z][a-z-]*", made.format_usage())))


def _bash(completed: dict[str, Completed]) -> str:
    lines = [
        f'        "{name}") words="{" ".join([*each.names, *each.options])}" ;;' for name, each in completed.items()
    ]
    return _BASH.format(cases="\n".join(lines))


def _zsh(completed: dict[str, Completed]) -> str:
    return f"autoload -U +X bashcompinit && bashcompinit\n{_bash(completed)}"


def _fish(completed: dict[str, Completed]) -> str:
    return "".join(line for name, each in completed.items() for line in _fish_lines(name, each))


def _fish_lines(name: str, each: Completed) -> list[str]:
    seen = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in name.split()) or "__fish_use_subcommand"
    names = [f"complete -c opsproof -n '{seen}' -a '{' '.join(each.names)}'\n"] if each.names else []
    return [*names, *(f"complete -c opsproof -n '{seen}' -l {option[2:]}\n" for option in each.options)]


_SCRIPTS = {"bash": _bash, "zsh": _zsh, "fish": _fish}
