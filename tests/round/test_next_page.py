"""A page links to the next page of its round."""

import os
import re

DISKS = "checks/disks"
LINK = re.compile(r'<a href="([^"]*)">(Previous|Next|Index)</a>')


def links(page):
    return {title: address for address, title in LINK.findall(page.read_text(encoding="utf-8"))}


def test_pages_of_a_round_are_linked_both_ways(estate, prove, tmp_path):
    reports = tmp_path / "reports"
    for _ in range(3):
        prove(estate(calm=120), "-m", "daily", reports=reports)
    prove(estate(calm=120), "-m", "weekly", reports=reports)
    first, second, third = sorted(reports.glob("*_daily.html"))
    assert links(first) == {"Next": second.name, "Index": "index.html"}
    assert links(second) == {"Previous": first.name, "Next": third.name, "Index": "index.html"}
    assert links(third) == {"Previous": second.name, "Index": "index.html"}


def test_mode_and_time_of_the_linked_page_stay(estate, prove, tmp_path):
    reports = tmp_path / "reports"
    prove(estate(calm=120), "-m", "daily", reports=reports)
    (page,) = reports.glob("*_daily.html")
    page.chmod(0o600)
    os.utime(page, (1000, 1000))
    prove(estate(calm=120), "-m", "daily", reports=reports)
    assert "Next" in links(page)
    assert (page.stat().st_mode & 0o777, page.stat().st_mtime) == (0o600, 1000)


def test_saved_facts_link_no_page(estate, prove, tmp_path):
    reports, facts = tmp_path / "reports", tmp_path / "facts.json"
    prove(estate(calm=120), "-m", "daily", f"--save-facts={facts}", reports=reports)
    (page,) = reports.glob("*_daily.html")
    prove(estate(calm=120), "-m", "daily", f"--facts={facts}", reports=reports)
    assert "Next" not in links(page)
