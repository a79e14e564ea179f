"""Prints and keeps the results of a proof, for the page of all checks."""

from pathlib import Path

from lab.docker.faults import FAULTS as DOCKER_FAULTS
from lab.faults import FAULTS
from lab.pgbackrest.faults import FAULTS as PGBACKREST_FAULTS
from lab.shop.faults import FAULTS as SHOP_FAULTS
from tests.harness.notes import show
from tests.proof_matrix import matrix, page
from tests.proving.batches import text

REPORTS = Path(__file__).parents[2] / "reports"
PROOFS = {"embedded": FAULTS, "docker": DOCKER_FAULTS, "pgbackrest": PGBACKREST_FAULTS, "shop": SHOP_FAULTS}


def conclude(proof, config):
    """Ends a proof, and always keeps the results."""
    try:
        proof.finish()
    finally:
        keep(proof, config)


def keep(proof, config):
    """Prints the batches and the changes under each fault, bypassing output capture, and rewrites the page."""
    show(config, f"{text(proof.order)}\n\n{matrix.text(proof.rows)}")
    rows = REPORTS / "proof.jsonl"
    matrix.write(rows, proof.rows)
    page.write(REPORTS / "proof.html", list(filter(is_current, matrix.read([rows]))))


def is_current(row):
    """Whether the faults of a row still exist; removed faults prove nothing about today's checks."""
    return {fault.name for fault in PROOFS.get(row.lab, ())}.issuperset(row.fault.split(" + "))
