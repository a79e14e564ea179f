"""Drills in a throwaway cluster: a good backup passes, damage is found, nothing remains."""

import shutil

import pytest

from opsproof.action import drills
from tests.restore.clustered import Clustered, clustered, needs_users, scratch, scratch_folder, small_disk
from tests.restore.conftest import Copied

__all__ = ["clustered", "scratch"]
pytestmark = needs_users

SHOP = """
CREATE ROLE shop_owner PASSWORD 'long and secret';
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO customers SELECT i, 'customer ' || i FROM generate_series(1, 500) i;
ALTER TABLE customers OWNER TO shop_owner;
CREATE VIEW named AS SELECT name FROM customers WHERE id BETWEEN 1 AND 9;
"""
VECTORS = """
CREATE EXTENSION vector;
CREATE TABLE t (id int PRIMARY KEY, e vector(3));
INSERT INTO t SELECT i, format('[%s,1,2]', i)::vector FROM generate_series(1, 50) i;
CREATE INDEX ON t USING hnsw (e vector_l2_ops);
"""


def statements(text):
    return [each for each in text.split(";\n") if each.strip()]


@pytest.fixture(scope="module")
def shop(postgres_server, tmp_path_factory):
    with scratch_folder() as place:
        shop = Clustered(postgres_server, tmp_path_factory.mktemp("shop"), "bakery", scratch=place)
        shop.create(*statements(SHOP.replace("shop_owner", "baker")))
        shop.require("backup")
        yield shop
        shop.drop()
        shop.sql("DROP ROLE baker", database="postgres")


@pytest.fixture
def copied(shop, tmp_path):
    """A copy of the shop's backup, for tests to damage."""
    shutil.copytree(shop.folder / "backups", tmp_path / "copy")
    (manifest,) = (tmp_path / "copy").glob("*.manifest.json")
    return Copied(manifest.parent, manifest.name.removesuffix(".manifest.json"))


def drilled(shop, *more):
    done = shop.run("restore_drill", *more)
    assert (shop.databases, shop.remains) == ([], [])
    return done


def test_good_backup_passes_and_nothing_remains(clustered):
    clustered.create(*statements(SHOP + VECTORS))
    clustered.require("backup")
    left = clustered.leave()
    plan = clustered.plan("restore_drill")
    assert (plan.returncode, plan.stderr) == (0, "")
    assert f"drop leftovers of earlier drills: {left}\n" in plan.stdout
    assert f"{clustered.scratch}/opsproof_drill_" in plan.stdout
    assert "as games): about " in plan.stdout
    assert clustered.remains == [left.name]
    done = drilled(clustered)
    assert (done.returncode, done.stderr) == (0, "")
    entry = clustered.journal[-1]
    assert (entry["outcome"], "not_checked" in entry["measured"]) == ("done", False)
    assert entry["measured"]["size_bytes"] > 5_000_000
    last = drills.last(clustered.folder / "reports" / "journal.jsonl", "vps", "shop")
    assert (last.outcome, clustered.differences) == ("done", [])
    clustered.sql("DROP OWNED BY shop_owner CASCADE", "DROP ROLE shop_owner")


def flipped(copied):
    content = bytearray(copied.dump.read_bytes())
    content[len(content) // 2] ^= 1
    copied.dump.write_bytes(content)


def with_a_row_more(copied):
    """As after a backup that lost a row."""
    text = copied.manifest.read_text().replace('"customers", 500]', '"customers", 501]')
    copied.manifest.write_text(text)
    copied.seal()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (flipped, "checksum mismatch, the file changed since the backup was made"),
        (with_a_row_more, "public.customers has 500 rows (expected 501)"),
    ],
)
def test_damaged_backup_fails_the_drill(shop, copied, damage, message):
    damage(copied)
    done = drilled(shop, f"--from={copied.folder}")
    assert (done.returncode, message in done.stderr) == (5, True), done.stderr
    assert shop.journal[-1]["outcome"] == "not repaired"


def test_mutated_archive_differs(shop, copied):
    shop.sql("ALTER TABLE customers ALTER name DROP NOT NULL, OWNER TO metachat")
    copied.dump.write_bytes(shop.dumped())
    copied.seal()
    shop.sql("ALTER TABLE customers ALTER name SET NOT NULL, OWNER TO baker")
    done = drilled(shop, f"--from={copied.folder}")
    expected = "is whole, but differs: compared with the backed-up database, type index: owners or privileges differ"
    assert (done.returncode, expected in done.stderr) == (5, True), done.stderr
    assert shop.differences[-1].count("differ") == 2


def both(shop):
    """The outcome of the plan and of the drill, which must be the same."""
    plan, done = shop.plan("restore_drill"), shop.run("restore_drill")
    assert (plan.returncode, plan.stderr) == (done.returncode, done.stderr)
    return done


def test_plan_refuses_what_the_drill_refuses(shop):
    shop.keys["drill_user"] = "opsproof-missing"
    done = both(shop)
    assert (done.returncode, "drill_user opsproof-missing: sudo: unknown user" in done.stderr) == (3, True), done.stderr
    shop.keys.clear()
    with small_disk(shop.scratch, 64):
        done = both(shop)
    assert (done.returncode, "MB needed)" in done.stderr) == (3, True), done.stderr
    assert shop.remains == []
