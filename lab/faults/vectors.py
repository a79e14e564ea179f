"""Faults of the vector index."""

from collections.abc import Iterator

from lab import Lab, vectors
from lab.fault import causes, shows
from lab.faults.fault import fault
from lab.postgres import leave_invalid
from lab.recording import backdated, record_round

OF_THE_INDEX = (
    "test_vector_index_is_valid",
    "test_ivfflat_lists_match_row_count",
    "test_new_rows_since_index_build_are_within_limit",
    "test_vector_index_is_recent",
    "test_pgvector_release_has_no_known_fault",
    "test_vector_index_build_fits_in_memory",
)
OF_THE_QUERY = ("test_vector_index_is_used", "test_vector_recall_is_within_limit")
CHECKS = (*OF_THE_INDEX, *OF_THE_QUERY)
GROWN = "test_new_rows_since_index_build_are_within_limit"


@fault(
    failed=(*OF_THE_INDEX, "test_vector_index_is_used"),
    unknown=("test_vector_recall_is_within_limit",),
    may_change=("test_large_tables_use_index_scans",),
    touches=("chunks",),
)
@shows(r"chunks_embedding_ivfflat_idx +\| f +\|")
@causes("test_vector_index_is_valid")
def vector_index_dropped(lab: Lab) -> Iterator[None]:
    """A migration dropped the index: every search scans all vectors, with full recall, slowly."""
    with lab.connect() as admin:
        admin.execute(f"DROP INDEX {vectors.INDEX}".encode())
        yield
        vectors.build(lab)


@fault(
    failed=("test_vector_index_is_valid", "test_indexes_are_valid", "test_vector_index_is_used"),
    unknown=("test_vector_recall_is_within_limit",),
    may_change=("test_large_tables_use_index_scans",),
    touches=("chunks", "snapshots"),
)
@shows(test_vector_index_is_used=r"chunks_embedding_ivfflat_idx +\| t +\| f$")
@causes("test_indexes_are_valid", "test_vector_index_is_valid")
def vector_index_build_cancelled(lab: Lab) -> Iterator[None]:
    """The index was to be built anew, and the build was cancelled while waiting: an invalid index is left."""
    with lab.connect() as other, lab.connect() as builder:
        builder.execute(f"DROP INDEX {vectors.INDEX}".encode())
        with other.transaction():
            other.execute("LOCK TABLE chunks IN ROW EXCLUSIVE MODE")
            leave_invalid(builder, other, f"CREATE INDEX CONCURRENTLY {vectors.INDEX} {vectors.definition()}")
    yield
    vectors.build(lab)


@fault(failed=("test_vector_recall_is_within_limit",), unknown=(GROWN,), touches=("chunks", "snapshots"))
def vector_index_built_on_few_rows(lab: Lab) -> Iterator[None]:
    """Built on 200 similar chunks; 20,000 were added before the first run recorded the index."""
    with vectors.fewer_rows(lab, "right(id, 6)::integer * 7919 % 200 < 2"):
        vectors.build(lab)
    yield
    vectors.build(lab)


@fault(failed=(GROWN,), may_change=("test_vector_recall_is_within_limit",), touches=("chunks", "snapshots"))
def vector_index_outgrown(lab: Lab) -> Iterator[None]:
    """A run recorded the index with a tenth of the rows; the rest was added later."""
    with vectors.fewer_rows(lab, "id < 'chk002000'"):
        vectors.build(lab)
        record_round(lab, "checks/indexes/test_vector_indexes.py")
    yield
    vectors.build(lab)


@fault(failed=("test_vector_index_is_recent",), touches=("chunks", "snapshots"))
def vector_index_not_rebuilt(lab: Lab) -> Iterator[None]:
    """Rounds have seen the same build for forty days: our history of the index is backdated."""
    record_round(lab, "checks/indexes/test_vector_indexes.py")
    with backdated(lab, vectors.INDEX, 40):
        yield


@fault(
    failed=("test_ivfflat_lists_match_row_count",),
    may_change=("test_vector_recall_is_within_limit",),
    touches=("chunks",),
)
def vector_index_with_too_many_lists(lab: Lab) -> Iterator[None]:
    """Three hundred lists for 20,000 rows: neighbours lie in lists that are not probed."""
    vectors.build(lab, lists=300)
    yield
    vectors.build(lab)


@fault(
    failed=("test_vector_index_is_used",),
    unknown=("test_vector_recall_is_within_limit",),
    may_change=("test_large_tables_use_index_scans",),
    touches=("chunks",),
)
@shows(r"enable_indexscan +\| off")
def vector_index_not_used(lab: Lab) -> Iterator[None]:
    """A setting keeps the planner from using the index, as a wrong cost would."""
    with lab.connect() as admin:
        admin.execute("ALTER DATABASE metachat SET enable_indexscan = off")
        yield
        admin.execute("ALTER DATABASE metachat RESET enable_indexscan")


@fault(failed=("test_pgvector_release_has_no_known_fault", "test_extensions_are_up_to_date"))
@shows(r"\b0\.8\.1\b")
def vector_release_vulnerable(lab: Lab) -> Iterator[None]:
    """The control file names a pgvector release with a buffer overflow."""
    folder = lab.server.data / "other" / "extension"
    folder.mkdir(parents=True)
    for each in (folder.parent, folder):
        lab.server.adopt(each)
    control = folder / "vector.control"
    control.write_text("default_version = '0.8.1'\nmodule_pathname = '$libdir/vector'\n")
    lab.server.adopt(control)
    with lab.connect() as admin:
        admin.execute(f"ALTER SYSTEM SET extension_control_path = '{folder.parent}:$system'".encode())
        admin.execute("SELECT pg_reload_conf()")
        yield
        admin.execute("ALTER SYSTEM RESET extension_control_path")
        admin.execute("SELECT pg_reload_conf()")
    control.unlink()
    folder.rmdir()
    folder.parent.rmdir()


@fault(failed=("test_vector_index_build_fits_in_memory",), touches=("chunks",))
def memory_too_small_to_build(lab: Lab) -> Iterator[None]:
    """maintenance_work_mem is too small to rebuild the index."""
    with lab.connect() as admin:
        admin.execute("ALTER SYSTEM SET maintenance_work_mem = '8MB'")
        admin.execute("SELECT pg_reload_conf()")
        yield
        admin.execute("ALTER SYSTEM RESET maintenance_work_mem")
        admin.execute("SELECT pg_reload_conf()")
