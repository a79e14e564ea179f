"""The courier: a plain process that takes parcels on 127.0.0.1:8025, a line each; cron starts it with the machine."""

import os
import socketserver
import threading
import time
from pathlib import Path

from common import logger

LOG = logger("courier")


class Parcel(socketserver.StreamRequestHandler):
    """A connection of a sender."""

    def handle(self) -> None:
        """Takes parcels until the sender is gone."""
        for line in self.rfile:
            LOG.info("parcel of %d bytes", len(line))
            self.wfile.write(b"taken\n")


def beat() -> None:
    """Logs a line every minute."""
    while True:
        LOG.info("waiting")
        time.sleep(60)


if __name__ == "__main__":
    Path("/var/lib/shop/courier.pid").write_text(f"{os.getpid()}\n")
    threading.Thread(target=beat, daemon=True).start()
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    socketserver.ThreadingTCPServer(("127.0.0.1", 8025), Parcel).serve_forever()
