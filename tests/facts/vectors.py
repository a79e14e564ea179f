"""A declared vector index, and its state as measured."""

from opsproof.core.counters import Counter
from opsproof.facts.vector_indexes import VectorIndexState
from opsproof.inventory.resources import VectorIndex

NAME = "items_embedding_idx"


def declared(**fields):
    usual = {"database": "x", "table": "shop.items", "column": "embedding", "method": "ivfflat", "operator": "<->"}
    return VectorIndex.model_validate({**usual, "probes": 20, **fields})


def index(**fields):
    usual = {
        "name": "public.x", "method": "ivfflat", "valid": True, "build": 7, "lists": 100,
        "size_bytes": 10**8, "dimensions": 1024, "value_bytes": 4104, "rows": 100_000,
        "inserted": Counter(150_000, 0.0, 1000.0), "maintenance_bytes": 64 * 2**20, "extension": "0.8.6",
        "library": "0.8.6",
    }  # fmt: skip
    return VectorIndexState(**{**usual, **fields})
