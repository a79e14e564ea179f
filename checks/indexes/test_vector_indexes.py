"""Vector indexes are valid, tuned to their rows, and fit in build memory."""

import pytest

pytestmark = [pytest.mark.monthly, pytest.mark.caused_by("test_database_accepts_connections", on="database")]

EXISTS = ("exists",)
REBUILD = pytest.mark.remedy("reindex.py", "--apply", absent=EXISTS)


@pytest.mark.weekly
@REBUILD
def test_vector_index_is_valid(vector_indexes, vector_index, host, remembered, evidence, repair_with):
    """Without a valid index every search compares all vectors."""
    state, declared = vector_indexes[vector_index], host.vector_indexes[vector_index]
    remembered(state.readings)
    repair_with("--database", [declared.database])
    repair_with("--index", [state.name])
    evidence("index", [f"{state.name}: {state.method}, {'valid' if state.valid else 'not valid'}"])
    assert state.valid, f"{vector_index} is not valid"
    assert state.method == declared.method, f"{vector_index} is a {state.method} index, not {declared.method}"


@pytest.mark.remedy("reindex.py", "--retune", "--apply", absent=EXISTS)
def test_ivfflat_lists_match_row_count(vector_indexes, ivfflat_index, host, allowed, evidence, repair_with):
    """With too few lists a scan reads too many rows; with too many lists a scan misses neighbours."""
    state = vector_indexes[ivfflat_index]
    repair_with("--database", [host.vector_indexes[ivfflat_index].database])
    repair_with("--index", [state.name])
    evidence("lists", [f"{state.lists} lists for {state.rows} rows"])
    assert state.lists_ratio in allowed.vector_lists


@REBUILD
def test_new_rows_since_index_build_are_within_limit(
    vector_indexes, vector_index, host, allowed, evidence, remembered, repair_with
):
    """IVFFlat clusters the rows present at the build: later rows may be in poorly fitting lists."""
    state = vector_indexes[vector_index]
    repair_with("--database", [host.vector_indexes[vector_index].database])
    repair_with("--index", [state.name])
    evidence("rows", [f"{state.rows} rows now"])
    assert state.new_rows(remembered(state.readings)) in allowed.vector_new_rows


@REBUILD
def test_vector_index_is_recent(vector_indexes, vector_index, host, allowed, evidence, remembered, repair_with):
    """The runbook schedules a rebuild on the first Sunday of each month."""
    state = vector_indexes[vector_index]
    repair_with("--database", [host.vector_indexes[vector_index].database])
    repair_with("--index", [state.name])
    evidence("build", [f"file {state.build} of {state.name}"])
    assert state.age_s(remembered(state.readings)) in allowed.vector_age


@pytest.mark.remedy(
    "psql",
    "-c",
    "SELECT name, installed_version, default_version FROM pg_available_extensions WHERE name = 'vector'",
    absent=EXISTS,
)
def test_pgvector_release_has_no_known_fault(vector_indexes, vector_index, allowed, evidence):
    """Install the current package, ALTER EXTENSION vector UPDATE, then rebuild HNSW indexes."""
    state = vector_indexes[vector_index]
    evidence("pgvector", [f"release {state.library} on the server, {state.extension} in the database"])
    assert state.release in allowed.vector_release


@pytest.mark.remedy("psql", effect="changes a setting of the server", absent=EXISTS)
def test_vector_index_build_fits_in_memory(vector_indexes, vector_index, allowed, evidence, repair_with):
    """Short of memory IVFFlat builds fail, and HNSW builds are many times slower; raise a container's shm_size too."""
    state = vector_indexes[vector_index]
    evidence("memory", [f"{state.build_bytes / 2**20:.1f} MiB of {state.maintenance_bytes / 2**20:.0f} MiB"])
    setting = f"ALTER SYSTEM SET maintenance_work_mem = '{state.build_setting_mb}MB'"
    repair_with("-c", [setting, "SELECT pg_reload_conf()"])
    assert state.build_memory in allowed.vector_build_memory
