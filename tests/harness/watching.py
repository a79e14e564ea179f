"""Runs actions with frequent progress output, on a terminal or as lines."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios

OFTEN = """\
import runpy, sys
from opsproof.action import progress
progress.BAR_EVERY_S = progress.LINE_EVERY_S = 0.05
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""
FACTORS = {"bytes": 1, "B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}


def often(words):
    """The command line, with progress output twenty times a second."""
    python, *rest = words
    return [python, "-c", OFTEN, *rest]


def lines_of(words):
    """The output of an action without a terminal."""
    done = subprocess.run(
        often(words), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def shown_by(words):
    """The output of an action on a real terminal, including overwritten text."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color"}
    with subprocess.Popen(
        [*often(words), "--yes"], stdin=slave, stdout=slave, stderr=slave, env=environment
    ) as process:
        os.close(slave)
        text = b"".join(_parts(master))
        assert process.wait(timeout=60) == 0, text.decode(errors="replace")
    os.close(master)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.decode(errors="replace"))


def _parts(master):
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # the terminal was closed
            return
        if not part:
            return
        yield part


def told_in(lines, what):
    """Bytes done and expected, from each progress line about `what`."""
    found = [re.fullmatch(rf"  {what}: ([\d.]+) (\w+) of about ([\d.]+) (\w+)", line) for line in lines]
    return [(float(each[1]) * FACTORS[each[2]], float(each[3]) * FACTORS[each[4]]) for each in found if each]


def bars_in(text, what):
    """Bytes done and expected, from each progress bar of `what`."""
    found = re.findall(rf"{what} [━╸╺ ]+ ([\d.]+)/([\d.]+) (\w+)", text)
    return [(float(done) * FACTORS[unit], float(total) * FACTORS[unit]) for done, total, unit in found]


def makes_sense(told, least=0.3, most=1.1):
    """Whether progress increases to about the expected total."""
    done = [each for each, _ in told]
    totals = {total for _, total in told}
    return done == sorted(done) and len(totals) == 1 and least <= done[-1] / totals.pop() <= most
