"""Retention of dumps: keep all for a time, then one per week and one per month, and a minimum number."""

from collections.abc import Callable, Iterable
from time import gmtime, strftime

from opsproof.backup_store.dump_folder import began, is_ahead
from opsproof.inventory.backups import Backup


def expired(sets: Iterable[str], backup: Backup, now: float) -> list[str]:
    """The backups among `sets` that have expired at `now`, in seconds since 1970; oldest first.

    The newest backup of each week or month beyond `keep` stays, for `keep_weekly` weeks and `keep_monthly` months.
    Backups dated in the future never expire, and never cause other backups to expire.
    """
    known = sorted((each for each in sets if not is_ahead(each, now)), key=began, reverse=True)
    old = [each for each in known[backup.keep_least :] if now - began(each) > backup.keep]
    kept = {*_newest(old, backup.keep_weekly, _week), *_newest(old, backup.keep_monthly, _month)}
    return [each for each in reversed(old) if each not in kept]


def _newest(sets: list[str], periods: int, period: Callable[[str], str]) -> list[str]:
    """The newest set of each of the last `periods` weeks or months with a set; `sets` are sorted newest first."""
    found: dict[str, str] = {}
    for each in sets:
        found.setdefault(period(each), each)
    return list(found.values())[:periods]


def _week(set_name: str) -> str:
    return strftime("%G-%V", gmtime(began(set_name)))


def _month(set_name: str) -> str:
    return strftime("%Y-%m", gmtime(began(set_name)))
