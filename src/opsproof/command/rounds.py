"""`opsproof daily` and the further rounds: pytest, with the settings and the checks of this installation."""

import sys

import pytest

from opsproof.command.usage import UsageError
from opsproof.core.installation import FOLDER
from opsproof.core.rounds import ROUNDS
from opsproof.core.scripts import PACKAGE

SETTINGS = PACKAGE / "round" / "pytest.ini"
_HELP = """\
usage: opsproof {name} [OPTION ...] [SUBJECT ...]

Runs the checks of the round: {question}?
A SUBJECT, such as disks, narrows the round to a folder of checks.

options:
  --inventory=FILE    inventory of hosts and limits (default: $OPSPROOF_INVENTORY, then inventory/metachat.toml)
  --host=NAME         check this host only; may be repeated
  --reports=FOLDER    folder of reports and history (default: $OPSPROOF_REPORTS, then reports)
  --strict-warnings   fail the run on warnings
  --save-facts=FILE   save the raw answers of the hosts to FILE
  --facts=FILE        judge the saved answers in FILE; contact no host
  -k WORDS, -n N, -q  options of pytest: select checks, use N processes, print less; all further ones are valid too

examples:
  opsproof {name} --inventory=inventory/metachat.toml
  opsproof {name} --host=vps-00 --strict-warnings
  opsproof {name} -q -k "disk or memory"

exit: 0 good, 1 a check failed, 2 interrupted, 3 internal error, 4 usage, 5 nothing selected, 6 something is unknown
"""


def run(name: str, words: list[str]) -> int:
    """Runs the round `name` with further `words`, options of pytest or subjects, and returns pytest's exit status.

    Raises:
        UsageError: -m would select another round.
    """
    if {"-h", "--help"} & {*words}:
        sys.stdout.write(_HELP.format(name=name, question=ROUNDS[name]))
        return 0
    if any(word == "-m" or word.startswith(("-m=", "-m ")) for word in words):
        raise UsageError(f"-m is not valid: the round is {name}; select checks by -k, or see opsproof --help", 4)
    settings = ["-c", str(SETTINGS), f"--rootdir={FOLDER}", "--noconftest", "-p", "opsproof.command.selection"]
    return int(pytest.main([*settings, *words, "-m", name]))
