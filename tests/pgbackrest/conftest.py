"""A cluster with a stanza, created once for a test session and reset after each test."""

import os
from collections.abc import Iterator

import pytest

from lab.pgbackrest import Site, missing
from tests.pgbackrest.acting import forget


@pytest.fixture(scope="session")
def made_site() -> Iterator[Site]:
    """The cluster, three backups, and a journal with a verification and a drill; skipped if programs are missing."""
    if lacking := missing():
        if os.environ.get("OPSPROOF_REQUIRE_PGBACKREST") == "1":
            pytest.fail(f"not installed: {lacking}")
        pytest.skip(f"not installed: {lacking}")
    site = Site()
    try:
        site.create()
        site.save()
        yield site
    finally:
        site.remove()


@pytest.fixture
def site(made_site: Site) -> Iterator[Site]:
    """The cluster for a single test."""
    yield made_site
    forget(made_site)
    made_site.reset()
