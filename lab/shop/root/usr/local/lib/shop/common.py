"""The log of the shop's programs: a file that logrotate may rename."""

import logging
import time
from logging.handlers import WatchedFileHandler


def logger(name: str) -> logging.Logger:
    """A logger that writes /var/log/shop/NAME.log in UTC."""
    logging.Formatter.converter = time.gmtime
    handler = WatchedFileHandler(f"/var/log/shop/{name}.log")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    log = logging.getLogger(name)
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    return log
