"""Autovacuum removes dead rows in time, and nothing holds VACUUM back."""

import pytest

pytestmark = [pytest.mark.monthly, pytest.mark.caused_by("test_database_accepts_connections")]

LIMITS = [f"autovacuum_{of}_{each}" for of in ("vacuum", "vacuum_insert") for each in ("threshold", "scale_factor")]
LIMITS += [f"toast.{each}" for each in LIMITS] + ["autovacuum_analyze_threshold", "autovacuum_analyze_scale_factor"]


@pytest.mark.usefixtures("statistics_epoch")  # unknown without counters
@pytest.mark.remedy("vacuum.py", "--database", "{database}", "--apply")
def test_dead_rows_are_within_limit(table_upkeep, database, allowed, evidence, repair_with):
    """Dead rows slow queries and grow tables: autovacuum falls behind, or is off."""
    found = table_upkeep[database]
    evidence("tables with many dead rows", found.dead.lines)
    repair_with("--table", found.dead.tables)
    assert found.dead_share in allowed.dead_rows
    assert found.backlog in allowed.dead_rows_waiting
    found.require_counted()


@pytest.mark.remedy("vacuum.py", "--database", "{database}", "--apply")
def test_tables_are_vacuumed(table_upkeep, statistics_epoch, database, allowed, evidence, remembered, repair_with):
    """Tables over autovacuum's thresholds wait too long for a vacuum: autovacuum is blocked, off or too slow."""
    found, epoch = table_upkeep[database], statistics_epoch[database]
    earlier = remembered(found.vacuum_readings(epoch))
    evidence("tables waiting for vacuum", found.overdue.lines)
    repair_with("--table", found.overdue.tables)
    assert found.vacuum_age_s(epoch, earlier) in allowed.vacuum_age
    found.require_counted()


@pytest.mark.remedy("psql", effect="changes a setting of the server")
def test_autovacuum_is_enabled(database_servers, database, evidence, repair_with, repair_with_sql):
    """Without autovacuum, or without track_counts, dead rows stay: set both on and reload."""
    off = database_servers[database].off("autovacuum", "track_counts")
    evidence("switched off", [f"query: SHOW {each}" for each in off])
    repair_with_sql("ALTER SYSTEM SET {name} = on", off)
    repair_with("-c", ["SELECT pg_reload_conf()"])
    assert not off, f"{' and '.join(off)} of {database} is off"


@pytest.mark.remedy("psql", effect="changes settings of the table")
def test_autovacuum_is_enabled_for_every_table(table_upkeep, database, evidence, repair_with_sql):
    """Autovacuum was left off, or has an unreachable threshold: RESET the table's options."""
    found = table_upkeep[database]
    evidence("tables without autovacuum", found.left_out.lines)
    repair_with_sql("ALTER TABLE {table} RESET (autovacuum_enabled, toast.autovacuum_enabled)", found.left_out.tables)
    repair_with_sql(f"ALTER TABLE {{table}} RESET ({', '.join(LIMITS)})", found.out_of_reach.tables)
    assert not found.left_out.rows, f"autovacuum is off for {', '.join(found.left_out.tables[:3])}"


@pytest.mark.remedy("vacuum.py", "--database", "{database}", "--freeze", "--apply")
def test_transaction_ids_are_far_from_wraparound(transaction_ages, database, allowed, evidence):
    """The server refuses writes when IDs run out; freeze databases not in the inventory with vacuumdb --freeze."""
    evidence("oldest databases and tables", transaction_ages[database].found.lines)
    assert transaction_ages[database].transactions in allowed.transaction_age


@pytest.mark.remedy("vacuum.py", "--database", "{database}", "--freeze", "--apply")
def test_multixacts_are_far_from_wraparound(transaction_ages, database, allowed, evidence):
    """Multixact IDs (locks shared by transactions) run out like transaction IDs."""
    evidence("oldest databases and tables", transaction_ages[database].found.lines)
    assert transaction_ages[database].multixacts in allowed.multixact_age


@pytest.mark.remedy("end_sessions.py", "--database", "{database}", "--apply", effect="ends sessions")
def test_vacuum_horizon_is_recent(vacuum_horizons, database, allowed, evidence):
    """VACUUM keeps all rows visible to an open transaction: end it, ROLLBACK PREPARED, or drop the slot."""
    evidence("holds on old rows", vacuum_horizons[database].found.lines)
    assert vacuum_horizons[database].held_s in allowed.vacuum_horizon_age


@pytest.mark.remedy("psql", "-c", "SELECT slot_name, active, xmin, catalog_xmin FROM pg_replication_slots")
def test_replica_horizon_is_recent(vacuum_horizons, database, allowed, evidence):
    """An abandoned slot keeps dead rows and WAL for ever: SELECT pg_drop_replication_slot(...)."""
    evidence("holds on old rows", vacuum_horizons[database].found.lines)
    assert vacuum_horizons[database].replica_transactions in allowed.replica_horizon_age
