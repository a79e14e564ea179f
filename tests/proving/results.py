"""What a proof found: printed, and kept for the page that shows every check failing."""

from pathlib import Path

from tests.harness.notes import show
from tests.proof_matrix import matrix, page
from tests.proving.batches import text

REPORTS = Path(__file__).parents[2] / "reports"


def keep(proof, config):
    """Prints the batches and what changed under each fault, past the capture of output, and writes the page anew."""
    show(config, f"{text(proof.order)}\n\n{matrix.text(proof.rows)}")
    rows = REPORTS / "proof.jsonl"
    matrix.write(rows, proof.rows)
    page.write(REPORTS / "proof.html", matrix.read([rows]))
