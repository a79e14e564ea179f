"""python tests/benchmarks: run by `make bench`."""

import sys
from pathlib import Path

sys.path.insert(1, str(Path(__file__).parents[2]))  # for the lab and the tests' ssh server

if __name__ == "__main__":
    from suite import main

    sys.exit(main())
