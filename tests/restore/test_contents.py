"""Verification of restored databases: row counts, digests, constraints, indexes, pg_amcheck; and the data loss."""

from dataclasses import replace

import pytest

from opsproof.action import Work
from opsproof.backup_store import manifest
from opsproof.backup_store.manifest import Manifest
from opsproof.core.errors import OutputError, Refused
from opsproof.inventory.load import load
from opsproof.restore import contents, copy
from opsproof.restore.archive import FIXED_MINORS, DumpArchive, is_vulnerable
from opsproof.restore.copy import RestoredDatabase
from opsproof.restore.server import RestoreClient
from opsproof.transport.shell import Answer
from tests.restore.conftest import Place

SERVER = {
    "version": "17.5", "version_num": 170005, "encoding": "UTF8", "large_objects": 0,
    "objects": {"policy": [2, "p"], "table": [2, "t"]}, "grants": {"table": [2, "g"]},
}  # fmt: skip
TABLES = {("public", "tenants"): 200, ("public", "chunks"): 20000}
MANIFEST = Manifest("metachat_20261125T021500Z", 0.0, 1.0, {}, TABLES, SERVER, {"compression": "zstd"})


@pytest.mark.parametrize(
    ("server", "tables", "flaws"),
    [
        ({}, {}, []),
        ({}, {("public", "tenants"): 199}, ["public.tenants has 199 rows (expected 200)"]),
        ({}, {("public", "tenants"): None}, ["public.tenants is missing"]),
        ({}, {("public", "new"): 0}, ["public.new is not in the manifest"]),
        ({"encoding": "LATIN1"}, {}, ["encoding differs"]),
        ({"large_objects": 1}, {}, ["number of large objects differs"]),
    ],
)
def test_difference_from_manifest_is_flaw(server, tables, flaws):
    found = {name: rows for name, rows in {**TABLES, **tables}.items() if rows is not None}
    assert contents.compare(MANIFEST, {**SERVER, **server}, found).flaws == flaws


def test_many_differing_tables_are_summarized():
    assert contents.compare(MANIFEST, SERVER, {("s", f"t{n}"): 1 for n in range(9)}).flaws[-1] == "6 more tables differ"


@pytest.mark.parametrize(
    ("server", "difference"),
    [
        ({"objects": {"policy": [1, "x"], "table": [2, "t"]}}, "type policy: 1 (expected 2)"),
        ({"objects": {"table": [2, "t"]}}, "type policy: 0 (expected 2)"),
        ({"objects": {"policy": [2, "x"], "table": [2, "t"]}}, "type policy: names differ"),
        ({"grants": {"table": [2, "x"]}}, "type table: owners or privileges differ"),
    ],
)
def test_difference_in_objects_is_no_flaw(server, difference):
    found = contents.compare(MANIFEST, {**SERVER, **server}, TABLES)
    assert found == contents.ContentFindings(differences=[f"compared with the backed-up database, {difference}"])


@pytest.mark.parametrize(
    ("expected", "found", "unchecked"),
    [
        (SERVER, {**SERVER, "version_num": 180001, "version": "18.1"}, "backup from 17.5, server 18.1"),
        ({key: SERVER[key] for key in SERVER if key != "objects"}, SERVER, "the manifest has none"),
    ],
)
def test_objects_of_other_versions_are_not_compared(expected, found, unchecked):
    objects = {"objects": {"policy": [1, "x"]}, "grants": {}}
    findings = contents.compare(replace(MANIFEST, server=expected), {**found, **objects}, TABLES)
    assert findings == contents.ContentFindings([], [f"names and owners of objects not compared: {unchecked}"])


@pytest.mark.parametrize(
    ("read", "printed"),
    [
        (contents.parse_server, ""),
        (contents.parse_server, "{"),
        (contents.parse_server, "[1]"),
        (contents.parse_server, "[" * 100_000),
        (contents.parse_server, '{"version_num": "forged", "version": "18", "objects": {}, "grants": {}}'),
        (contents.parse_server, '{"version_num": 1e999, "version": "18", "objects": {}, "grants": {}}'),
        (contents.parse_server, '{"version_num": 180001, "version": "18", "objects": {}}'),
        (contents.parse_server, '{"version_num": 180001, "version": "18", "objects": {}, "grants": {"table": 5}}'),
        (contents.parse_counted, '["public"]\nCOPY 7'),
        (contents.parse_counted, '["public", "t"]\nCOPY x'),
        (contents.parse_counted, "[" * 100_000),
        (contents.parse_soundness, 'forged\n["end"]'),
        (contents.parse_soundness, '["vector"]\n["end"]'),
        (contents.parse_counted, '["public", "t"]'),
        (contents.parse_counted, "COPY 7"),
    ],
)
def test_incomplete_or_forged_psql_output_raises_output_error(read, printed):
    with pytest.raises(OutputError):
        read(Answer(0, printed))


@pytest.mark.parametrize(
    ("answer", "flaws", "unchecked"),
    [
        (Answer(0, ""), 0, 0),
        (Answer(2, 'heap table "a.b.c", block 1:\n    damaged'), 1, 0),
        (Answer(1, "", "pg_amcheck: error: no relations to check"), 0, 1),
        (Answer(127, "", "pg_amcheck: No such file or directory"), 0, 1),
        (Answer(124, "", "", "timeout"), 0, 1),
        (Answer(0, "", "", "truncated"), 0, 1),
    ],
)
def test_failed_amcheck_run_is_not_clean(answer, flaws, unchecked):
    found = contents.parse_amcheck(answer)
    assert (len(found.flaws), len(found.unchecked)) == (flaws, unchecked)


def test_sentences_of_findings_have_no_control_characters():
    findings = contents.ContentFindings(["\x1b[31mred\r"], [], ["\x1b]0;title\x07"])
    assert findings.failure("shop") == "shop failed verification: ?[31mred?"
    assert findings.difference("shop") == "shop is whole, but differs: ?]0;title?"


def test_row_changes_list_largest_tables_first():
    now = {("public", "tenants"): 203, ("public", "chunks"): 19990, ("public", "events"): 40}
    assert contents.row_changes(TABLES, now) == "rows lost: 43 (events 40, tenants 3); rows restored: 10 (chunks 10)"
    assert contents.row_changes(TABLES, TABLES) == ""


@pytest.mark.parametrize("major", FIXED_MINORS)
def test_client_is_safe_from_fixed_minor_version_on(major):
    fixed = FIXED_MINORS[major]
    assert is_vulnerable(f"pg_restore (PostgreSQL) {major}.{fixed - 1} (Debian {major}.{fixed - 1}-1)")
    assert not is_vulnerable(f"pg_restore (PostgreSQL) {major}.{fixed}")


@pytest.mark.parametrize(
    ("version", "vulnerable"), [("13.99", True), ("9.6.24", True), ("19.0", False), ("19beta1", False)]
)
def test_older_majors_are_vulnerable_and_newer_majors_are_not(version, vulnerable):
    assert is_vulnerable(f"pg_restore (PostgreSQL) {version}") is vulnerable


def test_missing_client_version_raises_output_error():
    with pytest.raises(OutputError):
        is_vulnerable("pg_restore")


def test_archive_without_manifest_needs_safe_client_and_untrusted():
    archive = DumpArchive("a", "/a.dump", 1, 1.0)
    for client, allowed, message in (("18.6", True, "CVE-2026-116314"), ("18.7", False, "--untrusted")):
        with pytest.raises(Refused, match=message):
            archive.require_trust(f"pg_restore (PostgreSQL) {client}", allowed=allowed)
    archive.require_trust("pg_restore (PostgreSQL) 18.7", allowed=True)


def copied(place, backed_up, name):
    """A database, not yet restored from the backup."""
    host = load(place.inventory).hosts["lab"]
    client, work = RestoreClient(host, host.backups["metachat"]), Work(host, lambda _: None)
    read = manifest.read((place.backups / f"{backed_up}.manifest.json").read_text())
    archive = DumpArchive(backed_up, f"{place.backups}/{read.dump.name}", read.dump.size_bytes, 1.0, read)
    return RestoredDatabase(work, client, archive, copy.machine(work, client), name, quiet=True)


@pytest.fixture(scope="module")
def template(small_lab, backed_up, tmp_path_factory):
    """The name of a database restored from the backup; each test gets a copy."""
    place = Place(small_lab, tmp_path_factory.mktemp("template"), small_lab.layout.bin)
    new = copied(place, backed_up, "restored")
    new.make()
    yield new.name
    new.drop()


@pytest.fixture
def made(place, backed_up, template):
    """A database restored from the backup, not yet compared."""
    new = copied(place, backed_up, "metachat_drill_20261125T000000Z")
    place.sql(f'CREATE DATABASE "{new.name}" TEMPLATE "{template}"', "postgres")
    yield new
    new.drop()


def test_undamaged_copy_has_no_findings(made):
    assert made.findings(keep=False) == contents.ContentFindings()


@pytest.mark.parametrize(
    ("damage", "flaw"),
    [
        (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'chunks_pkey'::regclass",
            "index public.chunks_pkey is not valid",
        ),
        ("DELETE FROM webhooks WHERE id = 'whk0007'", "public.webhooks has 49 rows (expected 50)"),
        (
            "UPDATE pg_proc SET prosrc = 'nowhere' WHERE proname = 'vector_negative_inner_product'",
            "vector index public.chunks_embedding_ivfflat_idx: ",
        ),
    ],
)
def test_damaged_copy_has_flaw(made, place, damage, flaw):
    place.sql(damage, made.name)
    findings = made.findings(keep=False)
    assert any(each.startswith(flaw) for each in findings.flaws)


def test_damaged_index_page_is_found(made, place):
    (leaf,) = place.sql(
        "SELECT pg_relation_filepath(indexrelid) FROM pg_index WHERE indrelid = 'webhooks'::regclass", made.name
    )
    place.sql("CHECKPOINT", "postgres")
    place.lab.stop_database()
    file = place.lab._server.data / leaf[0]
    content = bytearray(file.read_bytes())
    content[8192 + 4000] ^= 0xFF
    file.write_bytes(content)
    place.lab._server.start()
    assert any(each.startswith("pg_amcheck: ") for each in made.findings(keep=False).flaws)


def test_not_valid_constraint_is_reported_as_unchecked(made, place):
    place.sql("ALTER TABLE events ADD CONSTRAINT odd CHECK (id <> '') NOT VALID", made.name)
    assert "constraint odd of public.events is NOT VALID, as in the backed-up database" in (
        made.findings(keep=False).unchecked
    )


def test_copy_without_manifest_reports_that_nothing_was_compared(made):
    made.archive = replace(made.archive, manifest=None)
    assert made.findings(keep=False).unchecked == ["rows and owners not compared: no manifest"]
