"""A plugin for pytest, `-p tests.harness.index_time`: writes how many seconds the index took into `index.seconds`."""

import time

import pytest

from opsproof.round.report import index


@pytest.hookimpl
def pytest_configure():
    """Wraps the writer of the index."""
    write = index.write

    def timed(run, folder):
        began = time.perf_counter()
        write(run, folder)
        (folder / "index.seconds").write_text(f"{time.perf_counter() - began}")

    index.write = timed
