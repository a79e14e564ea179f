"""The exceptions of opsproof.

::

    OpsproofError
    ├── InventoryError       the inventory is invalid; no host was contacted
    ├── Absent               declared but missing: the check fails
    │   └── Unusable         declared, but stopped or empty
    ├── MeasurementError     not measured: the verdict is unknown
    │   ├── HostUnreachable  the host did not answer
    │   ├── CommandError     a tool is missing, was denied, timed out or failed
    │   ├── OutputError      the output of a tool cannot be parsed
    │   └── DatabaseError    a query or its connection failed
    └── ActionError          an action did not succeed
        ├── Refused          nothing was changed
        ├── StepFailed       the host may have changed
        └── NotRepaired      the steps ran, but the finding remains
"""


class OpsproofError(Exception):
    """Base class; the message is for an operator."""


class InventoryError(OpsproofError):
    """The inventory is invalid; the message names file, table and key."""


class Absent(OpsproofError):
    """A declared resource is missing."""


class Unusable(Absent):
    """A declared resource exists, but is stopped or empty."""


class MeasurementError(OpsproofError):
    """A measurement failed; the verdict is unknown."""


class HostUnreachable(MeasurementError):
    """The host did not answer; all of its facts are unknown."""


class CommandError(MeasurementError):
    """A command did not complete on the host."""


class OutputError(MeasurementError):
    """The output of a command cannot be parsed."""


class DatabaseError(MeasurementError):
    """A query or its connection failed."""


class ActionError(OpsproofError):
    """An action did not succeed."""


class Refused(ActionError):
    """A guard refused the action; nothing was changed."""


class StepFailed(ActionError):
    """A step failed; the host may have changed."""


class NotRepaired(ActionError):
    """The steps ran, but the finding remains."""
