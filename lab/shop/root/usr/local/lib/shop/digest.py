"""The digest: logs the number of the last hour's orders."""

from common import logger
from shop import COUNT, query

if __name__ == "__main__":
    logger("digest").info("%d orders in an hour", query(COUNT))
