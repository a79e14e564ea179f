"""Imported by each action before opsproof: says in a line that a Python lacks opsproof, as the system's does."""

import importlib.util
import sys

if importlib.util.find_spec("opsproof") is None:
    sys.stderr.write(f"{sys.argv[0]}: opsproof is not installed for {sys.executable}: use .venv/bin/python\n")
    sys.exit(2)
