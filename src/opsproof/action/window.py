"""The window of low traffic: outside of the window, heavy actions need a reason."""

from opsproof.action.base import Action
from opsproof.core.errors import OutputError, Refused
from opsproof.core.timings import zone_at
from opsproof.schedule.entries import LOCAL_TIME, shown

KEY = "outside_window"
"""The reason in the `measured` of a journal entry."""


def require(action: Action) -> None:
    """Refuses a heavy action outside of the declared window without a reason; a reason is added to the journal.

    The clock and the time zone are those of the host.

    Raises:
        Refused: the window is closed, and --outside-window has no reason.
        MeasurementError: the local time of the host is unknown.
    """
    window = action.host.schedule.low_traffic if action.host.schedule else None
    if window is None or not action.is_heavy():
        return
    (answer,) = action.work.ask(LOCAL_TIME)
    try:
        zone = zone_at(answer.require("readlink").stdout)
    except ValueError as error:
        raise OutputError(str(error)) from error
    if window.contains(answer.now, zone):
        return
    if not action.options.outside_window:
        raise Refused(
            f"{shown(answer.now, zone)} is outside of the low-traffic window {window}: wait, "
            "or give a reason with --outside-window=REASON"
        )
    action.measured[KEY] = action.options.outside_window
