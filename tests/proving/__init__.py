"""What the proofs of all labs share: rounds, which faults are broken together, and what must change under them."""

import os
from pathlib import Path

from tests.proving.names import agree, bad, check
from tests.proving.proof import Ground, Proof, identity
from tests.proving.rounds import Rounds

__all__ = ["IS_ROOT", "ROOT", "Ground", "Proof", "Rounds", "agree", "bad", "check", "identity"]

ROOT = Path(__file__).parents[2]
IS_ROOT = os.geteuid() == 0
