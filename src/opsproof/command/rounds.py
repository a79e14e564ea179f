"""`opsproof daily` and the further rounds: pytest, with the settings and the checks of this installation."""

import argparse
import sys

import pytest

from opsproof.command.usage import UsageError
from opsproof.core.installation import FOLDER
from opsproof.core.rounds import ROUNDS
from opsproof.core.scripts import PACKAGE

SETTINGS = PACKAGE / "round" / "pytest.ini"
_EXAMPLES = """\
examples:
  opsproof {name} --inventory=inventory/metachat.toml
  opsproof {name} disks --host=vps-00 --strict-warnings
  opsproof {name} -q -k "disk or memory"

exit: 0 good, 1 a check failed, 2 interrupted, 3 internal error, 4 usage, 5 nothing selected, 6 something is unknown
"""


def parser(name: str) -> argparse.ArgumentParser:
    """The help of a round. pytest parses the command line, and takes all of its own options too."""
    made = argparse.ArgumentParser(
        prog=f"opsproof {name}",
        description=f"Runs the checks of the round: {ROUNDS[name]}? Further options are those of pytest.",
        epilog=_EXAMPLES.format(name=name),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("subjects", nargs="*", metavar="SUBJECT", help="folder of checks, such as disks (default: all)")
    usual = "$OPSPROOF_INVENTORY, then inventory/metachat.toml"
    made.add_argument("--inventory", metavar="FILE", help=f"hosts and limits (default: {usual})")
    made.add_argument("--host", metavar="NAME", help="check this host only; may be repeated")
    made.add_argument(
        "--reports", metavar="FOLDER", help="reports and history (default: $OPSPROOF_REPORTS, then reports)"
    )
    made.add_argument(
        "--history", metavar="URL", help="history of several machines, in PostgreSQL (default: $OPSPROOF_HISTORY)"
    )
    made.add_argument("--strict-warnings", action="store_true", help="fail the run on warnings")
    made.add_argument("--save-facts", metavar="FILE", help="save the raw answers of the hosts to FILE")
    made.add_argument("--facts", metavar="FILE", help="judge the saved answers in FILE; contact no host")
    made.add_argument("-k", metavar="WORDS", help="select checks by their names")
    made.add_argument("-n", metavar="N", help="spread the checks over N processes")
    made.add_argument("-q", action="store_true", help="print less")
    made.add_argument("--collect-only", action="store_true", help="list the checks; contact no host")
    return made


def run(name: str, words: list[str]) -> int:
    """Runs the round `name` with further `words`, options of pytest or subjects, and returns pytest's exit status.

    Raises:
        UsageError: -m would select another round.
    """
    if {"-h", "--help"} & {*words}:
        sys.stdout.write(parser(name).format_help())
        return 0
    if any(word == "-m" or word.startswith(("-m=", "-m ")) for word in words):
        raise UsageError(f"-m is not valid: the round is {name}; select checks by -k, or see opsproof --help", 4)
    settings = ["-c", str(SETTINGS), f"--rootdir={FOLDER}", "--noconftest", "-p", "opsproof.command.selection"]
    return int(pytest.main([*settings, *words, "-m", name]))
