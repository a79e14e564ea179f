"""Gathers the planner's statistics of tables: those that the monthly checks flag, those that --table names, or all.

Partitioned tables are analyzed with all their partitions, and as a whole, which autovacuum never does.
"""

from opsproof.maintenance.base import Maintaining


class Analyze(Maintaining):
    """One ANALYZE for each table."""

    name = "analyze"
