"""The page of a run in Chromium: accessible, filtered, linked, on a phone, without scripts, and fast enough."""

import re

import pytest

from tests.harness import browser, hostile

SIZES = [(width, scheme) for width in (1280, 390) for scheme in ("light", "dark")]
LIMITS = '[limits]\ndisk_used = { must = "< 80%" }\ninodes_used = { must = "< 80%" }\n'


@pytest.fixture(scope="module")
def chromium():
    with browser.chromium() as started:
        yield started


@pytest.fixture(scope="module")
def many(prove, script, tmp_path_factory):
    """The page of a run with a number of verdicts, and the seconds that it took to write."""
    folder = tmp_path_factory.mktemp("many")
    script(folder / "df", "echo 'Mounted on Used Avail Inodes IUsed'; echo '/data 10 90 100 10'")
    host = f'[hosts.vps]\ntransport = "local://"\npath = ["{folder}"]\nmounts."/data" = {{}}\n'
    (folder / "inventory.toml").write_text(LIMITS + host)
    made = {}

    def many(count):
        if count not in made:
            words = ("checks/disks", "-p", "tests.harness.many")
            found = prove(folder / "inventory.toml", *words, OPSPROOF_MANY=str(count))
            (made[count],) = found.reports.glob("*_*.html")
        return made[count]

    return many


@pytest.fixture
def opened(chromium):
    """Opens a page; fails on errors of its script, and on requests."""
    problems, pages = [], []

    def opened(path, fragment="", *, width=1280, scheme="light", scripts=True):
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=scripts
        )
        page = context.new_page()
        pages.append(context)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: problems.append(dialog.message))
        page.on("request", lambda request: problems.append(request.url) if request.url[:5] == "http:" else None)
        page.goto(f"{path.as_uri()}{fragment}")
        if scripts:
            page.wait_for_selector("html[data-ready]", state="attached")
        return page

    yield opened
    for each in pages:
        each.close()
    assert problems == []


@pytest.mark.parametrize(("width", "scheme"), SIZES, ids=str)
@pytest.mark.parametrize("count", [60, 11000])
def test_page_has_no_accessibility_violation_and_fits_the_screen(many, opened, count, width, scheme):
    page = opened(many(count), width=width, scheme=scheme)
    page.evaluate(browser.axe())
    found = page.evaluate("axe.run()")["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_scripts_in_hostile_text_do_not_run(prove, tmp_path, opened):
    (path,) = hostile.run(prove, tmp_path).reports.glob("*_*.html")
    page = opened(path)
    assert page.locator("img:visible").count() == 0
    for command in page.locator(".command").all():
        text = command.locator("code").text_content()
        is_shown = "[U+" in text
        assert command.locator("button").count() == (0 if is_shown else 1)


def shown_rows(page):
    page.wait_for_function("document.querySelector('output').textContent !== ''")
    return page.inner_text("output")


@pytest.mark.parametrize("count", [500, 11000])
def test_counts_search_and_links_filter(many, opened, count):
    page = opened(many(count))
    failed = (count - 1) // 37 + 1
    page.click("a.count.failed")
    assert shown_rows(page) == f"{failed} of {count}"
    again = opened(many(count), page.url[page.url.index("#") :])
    assert shown_rows(again) == f"{failed} of {count}"
    again.click("button[type=reset]")
    again.fill("input[type=search]", "resource-7")
    assert shown_rows(again) == f"{count // 10} of {count}"


@pytest.mark.parametrize("count", [60, 11000])
def test_link_to_a_verdict_opens_its_row_with_evidence(many, opened, count):
    page = opened(many(count))
    target = page.evaluate("document.querySelector('article').id.slice(1)")
    linked = opened(many(count), f"#{target}")
    row = linked.locator(f"#{target}")
    row.wait_for()
    assert row.locator("td").first.inner_text() == "failed"
    row.locator("summary", has_text="largest folders").wait_for()


def test_page_works_without_scripts(many, opened):
    page = opened(many(60), scripts=False)
    assert page.locator("article.failed").count() == 2
    assert page.locator(".check tbody tr").count() == 60
    assert not page.is_visible("form.filter")
    assert page.locator("button.copy:visible").count() == 0
    page.locator("article summary", has_text="largest folders").first.click()
    assert page.is_visible("text=9 GB /resource-0/9")


def test_page_is_used_by_keyboard(many, opened):
    page = opened(many(60))
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('article summary')"):
            break
    page.keyboard.press("Enter")
    assert page.is_visible("text=9 GB /resource-0/9")


def test_printed_page_shows_evidence(many, opened):
    page = opened(many(60))
    page.emulate_media(media="print")
    assert page.is_visible("text=9 GB /resource-0/9")
    assert not page.is_visible("form.filter")
    assert page.pdf(format="A4").startswith(b"%PDF")


@pytest.mark.parametrize(("count", "most_bytes"), [(5000, 3_000_000), (50000, 15_000_000)])
def test_many_verdicts_make_a_small_page(many, count, most_bytes):
    assert many(count).stat().st_size <= most_bytes


def test_a_static_row_is_short(many):
    rows = re.findall(r"^<tr id.*$", many(5000).read_text(), re.MULTILINE)
    assert len(rows) == 5000
    assert max(map(len, rows)) <= 200
