"""`opsproof waivers`: order, expired waivers, waivers that match nothing."""

import datetime

import pytest

TODAY = datetime.datetime.now(tz=datetime.UTC).date()


def waiver(check="test_disk_has_free_space", on="full-/data", days=30):
    expires = TODAY + datetime.timedelta(days=days)
    head = f'[[waivers]]\ncheck = "{check}"\non = "{on}"\n'
    return f'{head}owner = "ops"\nreason = "new disk"\nexpires = {expires}\n'


def test_waivers_are_listed_by_expiry(opsproof, estate):
    path = estate(waiver(days=30) + waiver("test_inodes_are_available", days=3), full=1)
    status, printed, err = opsproof("waivers", f"--inventory={path}")
    first, second = printed.splitlines()
    assert (status, err) == (0, "")
    assert first == f"{TODAY + datetime.timedelta(days=3)}  test_inodes_are_available[full-/data]  ops: new disk"
    assert "test_disk_has_free_space" in second


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (waiver(days=-1), "expired: repair the finding, or renew the waiver"),
        (waiver(check="test_disk"), "matches nothing: no such check: correct `check` or remove the waiver"),
        (waiver(on="full-/other"), "matches nothing: no such case of the check: correct `on` or remove the waiver"),
    ],
    ids=["expired", "no check", "no case"],
)
def test_useless_waiver_ends_with_1(opsproof, estate, table, problem):
    status, printed, _ = opsproof("waivers", f"--inventory={estate(table, full=1)}")
    assert (status, printed.splitlines()[0].endswith(f"({problem})")) == (1, True)


def test_waiver_of_a_check_of_the_host_matches(opsproof, estate):
    assert opsproof("waivers", f"--inventory={estate(waiver('test_load_is_within_limit', 'full'), full=1)}")[0] == 0


def test_inventory_without_waivers_says_so(opsproof, estate):
    path = estate(full=1)
    assert opsproof("waivers", f"--inventory={path}") == (0, f"no waivers in {path}\n", "")
