"""The shop: a Debian server with systemd, two clusters of PostgreSQL, a Python service and nginx; no PM2, no Docker."""

from lab.shop.stack import ShopLab, missing
from lab.shop.status import Status

__all__ = ["ShopLab", "Status", "missing"]
