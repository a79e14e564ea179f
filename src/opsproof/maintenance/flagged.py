"""The indexes that the monthly checks flag, by the checks' own facts and the inventory's limits."""

from opsproof.core.errors import Absent, MeasurementError
from opsproof.core.limits import Estimate, Measurement
from opsproof.facts.bloat import BloatEstimates, BloatMeasurements
from opsproof.facts.indexes import InvalidIndexes
from opsproof.facts.vector_indexes import VectorIndexes, VectorIndexState, VectorRecalls
from opsproof.history.store import History
from opsproof.inventory.resources import VectorIndex
from opsproof.maintenance.base import Maintaining

Reasons = dict[str, str]
"""Reason to rebuild, by schema.index."""


def broken(action: Maintaining) -> Reasons:
    """Invalid indexes that a rebuild makes valid.

    Raises:
        MeasurementError: the fact cannot be measured.
    """
    return {each.name: "not valid" for each in action.session.measure(InvalidIndexes()).rebuildable}


def still_broken(action: Maintaining, names: set[str]) -> list[str]:
    """Problems with invalid indexes among `names`, partitioned indexes included.

    Raises:
        MeasurementError: the fact cannot be measured.
    """
    found = action.session.measure(InvalidIndexes()).invalid
    return [f"{each.name} is not valid: {each.about}" for each in found if each.name in names]


def bloated(action: Maintaining) -> Reasons:
    """Indexes with too much bloat; indexes of unknown bloat are reported as not judged.

    Raises:
        MeasurementError: bloat of no index can be measured.
    """
    suspicion, figures = action.session.measure(BloatEstimates()), action.session.measure(BloatMeasurements())
    found: Reasons = {}
    for each in suspicion.indexes(figures).bloats:
        if each.share is None:
            action.skip_unknown(str(each))
        elif action.flags("index_bloat", each.share):
            found[each.space.name] = f"{each.share:.0f} % bloat"
    return found


def vectors(action: Maintaining, history: History) -> Reasons:
    """Declared vector indexes with low recall, with too many new rows since the build, or built too long ago.

    Raises:
        InventoryError: a limit is not declared.
    """
    found: Reasons = {}
    for name, declared in _declared(action).items():
        why = [*_state(action, history, name, declared), *_recall_if_known(action, name, declared)]
        if why:
            found[declared.qualified(name)] = ", ".join(why)
    return found


def unsuited(action: Maintaining) -> Reasons:
    """Declared ivfflat indexes whose number of lists does not fit the number of rows.

    Raises:
        InventoryError: the limit is not declared.
    """
    found: Reasons = {}
    for name, declared in _declared(action).items():
        state = _seen(action, name, declared) if declared.method == "ivfflat" else None
        if state and _has_other_lists(action, state, declared):
            found[declared.qualified(name)] = f"{state.lists} lists for {state.rows} rows"
    return found


def _has_other_lists(action: Maintaining, state: VectorIndexState, declared: VectorIndex) -> bool:
    try:
        return action.flags("vector_lists", state.lists_ratio, declared)
    except MeasurementError as error:
        action.skip_unknown(f"number of lists of {state.name}: {error}")
        return False


def _declared(action: Maintaining, names: set[str] | None = None) -> dict[str, VectorIndex]:
    declared = action.host.vector_indexes
    here = {name: each for name, each in declared.items() if each.database == action.session.client.name}
    return {name: each for name, each in here.items() if names is None or each.qualified(name) in names}


def _state(action: Maintaining, history: History, name: str, declared: VectorIndex) -> list[str]:
    state = _seen(action, name, declared)
    if state is None:
        return []
    earlier = history.readings(action.host.name, name, state.readings)
    judged = {
        "too many new rows": ("vector_new_rows", state.new_rows(earlier)),
        "built too long ago": ("vector_age", state.age_s(earlier)),
    }
    return [why for why, (metric, value) in judged.items() if _surely_flags(action, metric, value, declared)]


def _seen(action: Maintaining, name: str, declared: VectorIndex) -> VectorIndexState | None:
    try:
        return action.session.measure_of(VectorIndexes(), name, declared)
    except (Absent, MeasurementError) as error:
        action.skip_unknown(f"{name}: {error}")
        return None


def _surely_flags(action: Maintaining, metric: str, value: Estimate, declared: VectorIndex) -> bool:
    """Whether the value surely exceeds the limit; false for a range that contains the limit."""
    try:
        return action.flags(metric, value, declared)
    except MeasurementError:
        return False


def _recall_if_known(action: Maintaining, name: str, declared: VectorIndex) -> list[str]:
    try:
        return _recall(action, name, declared)
    except MeasurementError as error:
        action.skip_unknown(f"recall of {name}: {error}")
        return []


def _recall(action: Maintaining, name: str, declared: VectorIndex) -> list[str]:
    found = _found_percent(action, name, declared)
    return [f"recall {found:.1f} %"] if action.flags("vector_recall", found, declared) else []


def _found_percent(action: Maintaining, name: str, declared: VectorIndex) -> float:
    found = action.session.measure_of(VectorRecalls(), name, declared).through(name, declared)
    action.measured["recall_percent"] = round(found, 1)
    return found


def recall_measurement(action: Maintaining, index: str) -> Measurement | None:
    """Verdict on an index's recall; None for an index that is not declared or that no query uses.

    Raises:
        InventoryError: the limit is not declared.
        MeasurementError: recall cannot be measured.
    """
    for name, declared in _declared(action, {index}).items():
        found = action.session.measure_of(VectorRecalls(), name, declared)
        limit = action.limit("vector_recall", declared)
        return limit.judge(found.through(name, declared)) if name in found.indexes else None
    return None


def recall_failure(action: Maintaining, index: str) -> str:
    """Why the recall of a replaced index fails its limit or cannot be measured; else empty.

    Raises:
        InventoryError: the limit is not declared.
    """
    for name, declared in _declared(action, {index}).items():
        try:
            judged = action.limit("vector_recall", declared).judge(_found_percent(action, name, declared))
        except MeasurementError as error:
            return f"its recall cannot be measured: {error}"
        if judged.verdict == "failed":
            return judged.sentence
    return ""


def recalls(action: Maintaining, names: set[str]) -> list[str]:
    """Problems with the recall of declared indexes among `names`.

    Raises:
        MeasurementError: the fact cannot be measured.
        InventoryError: the limit is not declared.
    """
    declared = _declared(action, names)
    return [f"{name}: {why}" for name, each in declared.items() for why in _recall(action, name, each)]


def require_limits(action: Maintaining, names: set[str]) -> None:
    """Checks that the limits for `recalls` are declared.

    Raises:
        InventoryError: the limit is not declared.
    """
    for each in _declared(action, names).values():
        action.limit("vector_recall", each)
