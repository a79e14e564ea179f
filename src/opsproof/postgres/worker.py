"""The process that queries databases for another one: requests on standard input, answers on standard output."""

import json
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from opsproof.postgres.connection import DatabaseTarget, Query, Result, ask


def _answers(target: DatabaseTarget, queries: Sequence[Query]) -> list[Result]:
    """As `ask`, and whatever goes wrong: an answer that never comes would be waited for."""
    try:
        return ask(target, queries)
    except UnicodeDecodeError:
        return [Result(error="what the host answers is no UTF-8")] * len(queries)  # it may be the password
    except Exception as error:  # noqa: BLE001
        return [Result(error=f"{type(error).__name__}: {error}")] * len(queries)


def serve() -> None:
    """Answers requests, a JSON object in each line of standard input, as each is done."""
    import psycopg  # noqa: F401  # loads while the other process still collects

    lock = threading.Lock()

    def answer(request: dict[str, Any]) -> None:
        results = _answers(DatabaseTarget(**request["database"]), request["queries"])
        text = json.dumps({"number": request["number"], "results": [asdict(each) for each in results]}, default=str)
        with lock:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

    for line in sys.stdin:
        # When the input ends nobody listens any more, whatever a database still owes.
        threading.Thread(target=answer, args=(json.loads(line),), daemon=True).start()


if __name__ == "__main__":
    serve()
