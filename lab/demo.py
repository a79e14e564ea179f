"""The demonstration: a daily round on a freshly started lab."""

import os
import subprocess
import sys

from lab.instance import SETTLED_S, Lab
from lab.layout import REPOSITORY
from lab.progress import say_aloud

ROUND = ("-m", "pytest", "-m", "daily", "--inventory=inventory/lab.toml")


def run(lab: Lab) -> int:
    """Starts the lab, sends traffic until its processes have settled, runs the round; returns pytest's exit code."""
    try:
        lab.up()
        answers = lab.traffic(seconds=SETTLED_S, requests=5000)
        say_aloud(f"sent {sum(answers.values())} requests; the daily round:")
        return subprocess.run([sys.executable, *ROUND], cwd=REPOSITORY, env=os.environ, check=False).returncode
    finally:
        lab.down()
