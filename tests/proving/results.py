"""Prints and keeps the results of a proof, for the page of all checks."""

from pathlib import Path

from tests.harness.notes import show
from tests.proof_matrix import matrix, page
from tests.proving.batches import text

REPORTS = Path(__file__).parents[2] / "reports"


def keep(proof, config):
    """Prints the batches and the changes under each fault, bypassing output capture, and rewrites the page."""
    show(config, f"{text(proof.order)}\n\n{matrix.text(proof.rows)}")
    rows = REPORTS / "proof.jsonl"
    matrix.write(rows, proof.rows)
    page.write(REPORTS / "proof.html", matrix.read([rows]))
