"""Everything that opsproof raises on purpose.

::

    OpsproofError
    ├── InventoryError       the inventory is wrong; no host was contacted
    ├── Absent               declared, and not there: a failure
    ├── MeasurementError     not measured: the verdict is unknown
    │   ├── HostUnreachable  no answer from the host at all
    │   ├── CommandError     a tool is missing, refused, timed out or failed
    │   ├── OutputError      a tool answered what cannot be read
    │   └── DatabaseError    a query or its connection failed
    └── ActionError          an action did not do what it was asked to
        ├── Refused          nothing was changed
        ├── StepFailed       the host may have changed
        └── NotRepaired      the steps ran, and the finding is still there
"""


class OpsproofError(Exception):
    """Base of every error with a message meant for an operator."""


class InventoryError(OpsproofError):
    """The inventory cannot be used; says file, table and key."""


class Absent(OpsproofError):
    """Something declared in the inventory is not there."""


class MeasurementError(OpsproofError):
    """Something could not be measured, so nothing can be said of it."""


class HostUnreachable(MeasurementError):
    """The host gave no answer, so none of its facts is known."""


class CommandError(MeasurementError):
    """A command could not be run to its end on the host."""


class OutputError(MeasurementError):
    """A command ended, and what it printed cannot be read."""


class DatabaseError(MeasurementError):
    """A database gave no answer to a query."""


class ActionError(OpsproofError):
    """An action did not do what it was asked to."""


class Refused(ActionError):
    """A guard said no before anything was changed."""


class StepFailed(ActionError):
    """A step of an action did not end well, so the host may have changed."""


class NotRepaired(ActionError):
    """The steps of an action ran, and what they were for is not reached."""
