"""Actions: changes to a host, with a plan, its execution and a proof of the result.

Each script in actions/ declares an `Action` and passes the class to `main`.
"""

from opsproof.action.base import Action, Step, Work
from opsproof.action.command import main

__all__ = ["Action", "Step", "Work", "main"]
