"""Owners and links beside findings; overdue reviews of the inventory."""

import datetime

TODAY = datetime.datetime.now(tz=datetime.UTC).date()
CONTACTS = 'owner = "storage <b>team</b>"\nsee = ["https://wiki.example.org/disks?a=1&b=2"]\n'


def test_finding_shows_owner_and_links_and_a_pass_does_not(prove, estate):
    found = prove(estate(CONTACTS, full=831), "checks/disks")
    shown = found.text[found.text.index("FAILED") :]
    assert "        owner: storage <b>team</b>\n        see: https://wiki.example.org/disks?a=1&b=2\n" in shown
    assert "<b>team</b>" not in found.html
    assert '<a href="https://wiki.example.org/disks?a=1&amp;b=2">' in found.html.replace("&amp;amp;", "&amp;")
    properties = found.properties
    assert properties["test_disk_has_free_space[full-/data]"]["owner"] == "storage <b>team</b>"
    assert "owner" not in properties["test_inodes_are_available[full-/data]"]


def test_overdue_review_warns(prove, estate):
    inventory = estate(f"reviewed = {TODAY - datetime.timedelta(days=181)}\n", calm=120)
    found, strict = prove(inventory, "checks/disks"), prove(inventory, "checks/disks", "--strict-warnings")
    line = "hosts.calm: reviewed on"
    assert (found.status, strict.status) == (0, 1)
    assert line in found.text
    assert line in found.html


def test_recent_review_is_quiet(prove, estate):
    found = prove(estate(f"reviewed = {TODAY}\n", calm=120), "checks/disks", "--strict-warnings")
    assert (found.status, "reviewed" in found.text) == (0, False)
