"""The client of the worker process that queries databases.

Loading psycopg takes longer than judging a whole round, so the worker process loads the library while pytest
collects checks. The worker process can also be killed when a server hangs.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from opsproof.postgres.connection import DatabaseTarget, Query, Result
from opsproof.transport.tunnel import OPENED_WITHIN_S

GRACE_S = 5.0
Rows = list[dict[str, Any]]


class DatabaseClient:
    """Queries any number of databases concurrently; the worker process starts at once."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "opsproof.postgres.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C goes to the round only, which then ends this process
        )
        self._lock = threading.Lock()
        self._waiting: dict[int, Future[Rows]] = {}
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def submit(self, target: DatabaseTarget, queries: Sequence[Query]) -> Callable[[], list[Result]]:
        """Sends `queries` and returns a function that waits for their results, in the same order.

        The wait is limited by the timeouts of the database and the tunnel together.
        """
        limit_s = target.timeout * (1 + len(queries)) + GRACE_S + (OPENED_WITHIN_S if target.ssh else 0)
        future = self._send(target, queries)

        def wait() -> list[Result]:
            try:
                return [Result(**each) for each in future.result(timeout=limit_s)]
            except (FutureTimeoutError, OSError) as error:
                reason = str(error) or f"no answer within {limit_s:.0f} s"
                return [Result(error=f"the database worker failed: {reason}")] * len(queries)

        return wait

    def _send(self, target: DatabaseTarget, queries: Sequence[Query]) -> "Future[Rows]":
        future: Future[Rows] = Future()
        with self._lock:
            self._waiting[number := len(self._waiting)] = future
            try:
                print(
                    json.dumps({"number": number, "database": asdict(target), "queries": list(queries)}),
                    file=self._process.stdin,
                    flush=True,
                )
            except OSError as error:
                future.set_exception(error)
        return future

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            answer = json.loads(line)
            self._waiting[answer["number"]].set_result(answer["results"])
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(OSError(f"the process ended with status {self._process.wait()}"))

    def close(self) -> None:
        """Kills the worker process."""
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with suppress(OSError):
                stream.close()
