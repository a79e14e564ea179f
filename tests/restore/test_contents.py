"""What is said of a restored database: counts, digests, constraints, indexes, pages and trees; and of what is lost."""

from dataclasses import replace

import pytest

from opsproof.action import Work
from opsproof.backup_store import manifest
from opsproof.backup_store.manifest import Manifest
from opsproof.core.errors import OutputError, Refused
from opsproof.inventory.load import load
from opsproof.restore import contents, copy
from opsproof.restore.archive import TAKEN_OVER_BEFORE, DumpArchive, can_be_taken_over
from opsproof.restore.copy import RestoredDatabase
from opsproof.restore.server import RestoreClient
from opsproof.transport.shell import Answer
from tests.restore.conftest import Place

SERVER = {
    "version": "17.5", "version_num": 170005, "schema_sha256": "s", "grants_sha256": "g", "encoding": "UTF8",
    "large_objects": 0,
}  # fmt: skip
TABLES = {("public", "tenants"): 200, ("public", "chunks"): 20000}
MANIFEST = Manifest("metachat_20261125T021500Z", 0.0, 1.0, {}, TABLES, SERVER, {"compression": "zstd"})


@pytest.mark.parametrize(
    ("server", "tables", "flaws"),
    [
        ({}, {}, []),
        ({}, {("public", "tenants"): 199}, ["public.tenants has 199 rows, and had 200"]),
        ({}, {("public", "tenants"): None}, ["public.tenants is not there"]),
        ({}, {("public", "new"): 0}, ["public.new was not in the backup"]),
        ({"schema_sha256": "x"}, {}, ["the schema is another one"]),
        ({"grants_sha256": "x"}, {}, ["owners or privileges are others"]),
        ({"encoding": "LATIN1"}, {}, ["the encoding is another one"]),
        ({"large_objects": 1}, {}, ["the number of large objects is another one"]),
    ],
)
def test_every_difference_to_the_manifest_is_a_flaw(server, tables, flaws):
    found = {name: rows for name, rows in {**TABLES, **tables}.items() if rows is not None}
    assert contents.compared(MANIFEST, {**SERVER, **server}, found).flaws == flaws


def test_many_differences_are_summed_up():
    assert (
        contents.compared(MANIFEST, SERVER, {("s", f"t{n}"): 1 for n in range(9)}).flaws[-1] == "6 more tables differ"
    )


def test_another_major_version_words_a_schema_otherwise_so_that_it_is_not_compared():
    found = contents.compared(
        MANIFEST, {**SERVER, "version_num": 180001, "version": "18.1", "schema_sha256": "x"}, TABLES
    )
    assert (found.flaws, found.unseen) == ([], ["the schema is not compared: it is of 17.5, and this server 18.1"])


@pytest.mark.parametrize(
    ("read", "printed"),
    [
        (contents.server, ""),
        (contents.server, "{"),
        (contents.server, "[1]"),
        (contents.tables, 'TABLE DATA\t["public"]'),
    ],
)
def test_what_psql_did_not_tell_is_no_answer(read, printed):
    with pytest.raises(OutputError):
        read(Answer(0, printed))


@pytest.mark.parametrize(
    ("answer", "flaws", "unseen"),
    [
        (Answer(0, ""), 0, 0),
        (Answer(2, 'heap table "a.b.c", block 1:\n    damaged'), 1, 0),
        (Answer(1, "", "pg_amcheck: error: no relations to check"), 0, 1),
        (Answer(127, "", "pg_amcheck: No such file or directory"), 0, 1),
        (Answer(124, "", "", "timeout"), 0, 1),
        (Answer(0, "", "", "truncated"), 0, 1),
    ],
)
def test_only_a_check_that_came_to_its_end_is_clean(answer, flaws, unseen):
    found = contents.amcheck(answer)
    assert (len(found.flaws), len(found.unseen)) == (flaws, unseen)


def test_what_is_lost_is_told_by_table_the_most_first():
    now = {("public", "tenants"): 203, ("public", "chunks"): 19990, ("public", "events"): 40}
    assert contents.lost(TABLES, now) == "lost are 43 rows (events 40, tenants 3); back come 10 rows (chunks 10)"
    assert contents.lost(TABLES, TABLES) == ""


@pytest.mark.parametrize("major", TAKEN_OVER_BEFORE)
def test_a_client_is_safe_from_its_fixed_version_on(major):
    fixed = TAKEN_OVER_BEFORE[major]
    assert can_be_taken_over(f"pg_restore (PostgreSQL) {major}.{fixed - 1} (Debian {major}.{fixed - 1}-1)")
    assert not can_be_taken_over(f"pg_restore (PostgreSQL) {major}.{fixed}")


@pytest.mark.parametrize(("said", "taken"), [("13.99", True), ("9.6.24", True), ("19.0", False), ("19beta1", False)])
def test_older_clients_get_no_fixes_and_newer_ones_need_none(said, taken):
    assert can_be_taken_over(f"pg_restore (PostgreSQL) {said}") is taken


def test_a_client_without_a_version_is_not_measured():
    with pytest.raises(OutputError):
        can_be_taken_over("pg_restore")


def test_an_archive_without_a_manifest_needs_a_safe_client_and_a_word():
    archive = DumpArchive("a", "/a.dump", 1, 1.0)
    for client, allowed, said in (("18.6", True, "CVE-2026-116314"), ("18.7", False, "--untrusted")):
        with pytest.raises(Refused, match=said):
            archive.require_trust(f"pg_restore (PostgreSQL) {client}", allowed=allowed)
    archive.require_trust("pg_restore (PostgreSQL) 18.7", allowed=True)


def copied(place, backed_up, name):
    """A database, not yet restored from the backup."""
    host = load(place.inventory).hosts["lab"]
    client, work = RestoreClient(host, host.backups["metachat"]), Work(host, lambda _: None)
    said = (place.backups / f"{backed_up}.manifest.json").read_text()
    read = manifest.read(said)
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
    """A database made of the backup, before it is compared."""
    new = copied(place, backed_up, "metachat_drill_20261125T000000Z")
    place.sql(f'CREATE DATABASE "{new.name}" TEMPLATE "{template}"', "postgres")
    yield new
    new.drop()


def test_a_sound_copy_has_no_flaw(made):
    assert made.findings(spare=False) == contents.ContentFindings()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'chunks_pkey'::regclass",
            "index public.chunks_pkey is not valid",
        ),
        ("DELETE FROM webhooks WHERE id = 'whk0007'", "public.webhooks has 49 rows, and had 50"),
        ("DROP INDEX chunks_embedding_ivfflat_idx", "the schema is another one"),
        ("ALTER TABLE events DISABLE ROW LEVEL SECURITY", "the schema is another one"),
        ("GRANT SELECT ON tenants TO PUBLIC", "owners or privileges are others"),
        (
            "UPDATE pg_proc SET prosrc = 'nowhere' WHERE proname = 'vector_negative_inner_product'",
            "vector index public.chunks_embedding_ivfflat_idx: ",
        ),
    ],
)
def test_each_damage_of_a_copy_is_found(made, place, damage, said):
    place.sql(damage, made.name)
    findings = made.findings(spare=False)
    assert any(each.startswith(said) for each in findings.flaws)


def test_a_damaged_page_of_an_index_is_found(made, place):
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
    assert any(each.startswith("pg_amcheck: ") for each in made.findings(spare=False).flaws)


def test_a_constraint_that_was_never_validated_is_said(made, place):
    place.sql("ALTER TABLE events ADD CONSTRAINT odd CHECK (id <> '') NOT VALID", made.name)
    assert "constraint odd of public.events was never validated, where it was backed up either" in (
        made.findings(spare=False).unseen
    )


def test_a_copy_of_an_archive_without_a_manifest_says_that_nothing_was_compared(made):
    made.archive = replace(made.archive, manifest=None)
    assert made.findings(spare=False).unseen == ["rows and schema are not compared: there is no manifest"]
