"""Runs the command `opsproof`."""

import sys

from opsproof.command.main import main

if __name__ == "__main__":
    sys.exit(main())
