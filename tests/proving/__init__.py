"""Shared by the proofs of all labs: rounds, batches of faults, and comparison of verdicts."""

import os
from pathlib import Path

from tests.proving.names import agree, bad, check
from tests.proving.proof import Ground, Proof, identity
from tests.proving.rounds import Rounds

__all__ = ["IS_ROOT", "ROOT", "Ground", "Proof", "Rounds", "agree", "bad", "check", "identity"]

ROOT = Path(__file__).parents[2]
IS_ROOT = os.geteuid() == 0
