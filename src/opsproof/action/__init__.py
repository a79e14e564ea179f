"""Actions: changes to a host that show their plan, do exactly that, and prove that it is done.

A script in actions/ declares one `Action` and hands it to `main`.
"""

from opsproof.action.base import Action, Step, Work
from opsproof.action.command import main

__all__ = ["Action", "Step", "Work", "main"]
