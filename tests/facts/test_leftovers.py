import time

import pytest

from opsproof.facts.leftovers import LeftoverDatabases

DAY_S = 86_400
NOW = "%Y%m%dT%H%M%SZ"


def named(kind, days_ago, live="facts"):
    return f"{live}_{kind}_{time.strftime(NOW, time.gmtime(time.time() - days_ago * DAY_S))}"


@pytest.fixture
def leftovers(cluster):
    """Makes databases, and returns the leftovers that the monitor sees; drops the databases afterwards."""
    made = []

    def make(*names):
        for name in names:
            cluster.run(f'CREATE DATABASE "{name}" TEMPLATE template0', database="postgres")
            made.append(name)
        return cluster.value(LeftoverDatabases)

    yield make
    for name in made:
        cluster.run(f'DROP DATABASE "{name}"', database="postgres")


def test_databases_of_drills_and_restores_are_found_with_their_age(leftovers):
    names = [named("before", 9), named("restoring", 2), named("drill", 0)]
    found = leftovers(*reversed(names), "facts_before_lunch", named("before", 9, "other"), named("before", 9, "fact"))
    assert [each.name for each in found] == names
    assert [round(each.age_s / DAY_S) for each in found] == [9, 2, 0]
    assert all(each.size_bytes > 5_000_000 for each in found)
    assert str(found[0]).startswith(f"{names[0]}: ")


def test_server_without_restores_has_no_leftovers(leftovers):
    assert leftovers() == ()
