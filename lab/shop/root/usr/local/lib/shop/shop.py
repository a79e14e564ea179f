"""The shop: GET /orders counts orders and notes the visit, POST /orders takes one, GET /health asks the database."""

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg2
from common import logger

LOG = logger("shop")
COUNT = "SELECT count(*) FROM orders WHERE placed_at > now() - interval '1 hour'"
VISIT = "INSERT INTO visits (seen_at, page) VALUES (now(), '/orders') RETURNING id"
TAKE = "INSERT INTO orders (customer, placed_at, total) VALUES (1 + (random() * 1999)::int, now(), 10) RETURNING id"


def query(sql: str, database: str = "port=5432 dbname=shop") -> object:
    """The first value of a statement's first row, in a transaction of its own."""
    connection = psycopg2.connect(f"{database} user=shop connect_timeout=2")
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()[0]
    finally:
        connection.close()


class Shop(BaseHTTPRequestHandler):
    """A request, answered in JSON."""

    def do_GET(self) -> None:
        """The health, or the number of orders."""
        if self.path == "/health":
            self.answer(lambda: {"state": "ok", "checks": [{"name": "database", "up": query("SELECT 1") == 1}]})
        elif self.path != "/orders":
            self.send_error(404)
        else:
            self.answer(lambda: {"visit": query(VISIT, "port=5433 dbname=archive"), "orders": query(COUNT)})

    def do_POST(self) -> None:
        """Takes an order."""
        self.answer(lambda: {"order": query(TAKE)})

    def answer(self, work: Callable[[], dict[str, object]]) -> None:
        """Sends what `work` returns, or status 503 if the database fails."""
        try:
            status, body = 200, work()
        except psycopg2.Error as error:
            LOG.error("%s %s: %s", self.command, self.path, str(error).strip().splitlines()[0])
            status, body = 503, {"state": "down"}
        LOG.info("%s %s %d", self.command, self.path, status)
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_words: object) -> None:
        """The log has a line for each request already."""


if __name__ == "__main__":
    LOG.info("listening on 127.0.0.1:8000")
    ThreadingHTTPServer(("127.0.0.1", 8000), Shop).serve_forever()
