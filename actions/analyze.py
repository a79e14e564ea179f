"""Gathers the planner's statistics of tables: those that the monthly checks flag, those that --table names, or all.

Partitioned tables are analyzed with all their partitions, and as a whole, which autovacuum never does.
"""

import sys
from argparse import ArgumentParser
from functools import partial

from opsproof.action import Step, main
from opsproof.errors import NotRepaired
from opsproof.maintenance import tables
from opsproof.maintenance.base import Maintaining
from opsproof.maintenance.tables import Tables


class Analyze(Maintaining):
    """One ANALYZE for each table."""

    name = "analyze"
