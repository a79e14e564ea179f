"""python tests/benchmarks: the command that `make bench` runs."""

import sys
from pathlib import Path

sys.path.insert(1, str(Path(__file__).parents[2]))  # the lab and the tests' own ssh server stand there

if __name__ == "__main__":
    from suite import main

    sys.exit(main())
