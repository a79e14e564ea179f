"""The worker process that queries databases: requests on standard input, results on standard output."""

import json
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from opsproof.postgres.connection import DatabaseTarget, Query, Result, ask


def _answers(target: DatabaseTarget, queries: Sequence[Query]) -> list[Result]:
    """The results of `ask`. Every exception becomes an error result: the client waits for an answer."""
    try:
        return ask(target, queries)
    except UnicodeDecodeError:
        return [Result(error="the answer of the host is not UTF-8")] * len(queries)  # the bytes may be the password
    except Exception as error:  # noqa: BLE001
        return [Result(error=f"{type(error).__name__}: {error}")] * len(queries)


def serve() -> None:
    """Answers requests, each a JSON object in a line of standard input, in the order of completion."""
    import psycopg  # noqa: F401  # loads while pytest collects checks

    lock = threading.Lock()

    def answer(request: dict[str, Any]) -> None:
        results = _answers(DatabaseTarget(**request["database"]), request["queries"])
        text = json.dumps({"number": request["number"], "results": [asdict(each) for each in results]}, default=str)
        with lock:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

    for line in sys.stdin:
        # Daemon threads: the process ends with its input, even if a database has not answered.
        threading.Thread(target=answer, args=(json.loads(line),), daemon=True).start()


if __name__ == "__main__":
    serve()
