"""Faults of logs that logrotate rotates by date."""

import gzip
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lab.fault import shows
from lab.shop import ShopLab
from lab.shop.faults.fault import fault

SHOP, ACCESS, ARCHIVE = "shop/shop.log", "nginx/access.log", "postgresql/postgresql-15-archive.log"


def _log(lab: ShopLab, name: str) -> Path:
    return lab.layout.root / "var/log" / name


def _ago(age: timedelta, form: str) -> str:
    return (datetime.now(UTC) - age).strftime(form)


def _lines(level: str, text: str, count: int, age: timedelta = timedelta(minutes=5)) -> list[str]:
    return [f"{_ago(age, '%Y-%m-%d %H:%M:%S')},{number:03} {level} shop: {text}\n" for number in range(count)]


@contextmanager
def _appended(path: Path, lines: Iterable[str]) -> Iterator[None]:
    """Appends lines, and takes them out at the end; the programs go on writing to the same file."""
    text = "".join(lines)
    _rewrite(path, lambda known: known + text)
    yield
    _rewrite(path, lambda known: known.replace(text, ""))


def _rewrite(path: Path, change: Callable[[str], str]) -> None:
    """Changes a log in place: the program has the file open, and the kernel refuses to create it anew."""
    with path.open("r+", encoding="utf-8") as file:
        known = file.read()
        file.seek(0)
        file.truncate()
        file.write(change(known))


def _rotated(lab: ShopLab, name: str) -> list[Path]:
    """The rotated files, newest first."""
    path = _log(lab, name)
    return sorted(path.parent.glob(f"{path.name}-*.gz"), reverse=True)


@fault(failed=("test_log_errors_are_within_limit[shop-shop]",), touches=("shop log",))
@shows("proof: payment refused")
def error_burst_of_the_service(lab: ShopLab) -> Iterator[None]:
    """Twenty errors in the last minutes."""
    with _appended(_log(lab, SHOP), _lines("ERROR", "proof: payment refused", 20)):
        yield


@fault(failed=("test_log_errors_are_within_limit[shop-shop]",), touches=("shop log",))
@shows("proof: payment refused")
def errors_before_the_rotation_by_date(lab: ShopLab) -> Iterator[None]:
    """Twenty errors of the last day are in the file that logrotate named after the date."""
    newest = _rotated(lab, SHOP)[0]
    known, dates = newest.read_bytes(), newest.stat()
    text = "".join(_lines("ERROR", "proof: payment refused", 20, timedelta(minutes=61)))
    newest.write_bytes(known + gzip.compress(text.encode()))
    os.utime(newest, ns=(dates.st_atime_ns, dates.st_mtime_ns))
    yield
    newest.write_bytes(known)
    os.utime(newest, ns=(dates.st_atime_ns, dates.st_mtime_ns))


@fault(failed=("test_log_has_no_fatal_errors[shop-shop]",), touches=("shop log",))
@shows("proof: no stock left")
def critical_line_of_the_service(lab: ShopLab) -> Iterator[None]:
    """The service logged a line of level CRITICAL."""
    with _appended(_log(lab, SHOP), _lines("CRITICAL", "proof: no stock left", 1)):
        yield


@fault(failed=("test_log_errors_are_within_limit[shop-access]",), touches=("access log",))
@shows('" 502 ')
def server_errors_of_the_site(lab: ShopLab) -> Iterator[None]:
    """The proxy answered twenty requests with status 502."""
    moment = _ago(timedelta(minutes=5), "%d/%b/%Y:%H:%M:%S")
    lines = [f'203.0.113.7 - - [{moment} +0000] "GET /{number} HTTP/1.1" 502 5 "-" "-"\n' for number in range(20)]
    with _appended(_log(lab, ACCESS), lines):
        yield


@fault(failed=("test_log_has_no_fatal_errors[shop-archive]",), touches=("archive log",))
@shows("could not locate a valid checkpoint record")
def panic_of_the_archive(lab: ShopLab) -> Iterator[None]:
    """The second cluster logged a PANIC, and was started again since."""
    moment = _ago(timedelta(minutes=5), "%Y-%m-%d %H:%M:%S")
    text = f"{moment}.000 UTC [99] PANIC:  could not locate a valid checkpoint record\n"
    with _appended(_log(lab, ARCHIVE), [text]):
        yield


@fault(failed=("test_rotated_files_are_compressed[shop-shop]",), touches=("shop log",))
@shows(r"shop\.log-\d{8}$")
def rotated_by_date_and_not_compressed(lab: ShopLab) -> Iterator[None]:
    """The keyword compress is missing in logrotate's configuration."""
    packed = _rotated(lab, SHOP)[2]
    lab.root("gunzip", f"/{packed.relative_to(lab.layout.root)}")
    yield
    lab.root("gzip", f"/{packed.relative_to(lab.layout.root)}".removesuffix(".gz"))


@fault(failed=("test_old_rotated_files_are_removed[shop-shop]",), touches=("shop log",))
@shows(r"shop\.log-20200101\.gz")
def rotated_by_date_and_not_removed(lab: ShopLab) -> Iterator[None]:
    """A file of an earlier configuration remains: logrotate no longer knows it."""
    old = _log(lab, "shop/shop.log-20200101.gz")
    old.write_bytes(gzip.compress(b"2020-01-01 00:00:00,000 INFO shop: GET /orders 200\n"))
    os.utime(old, (1577836800, 1577836800))
    yield
    old.unlink()


@fault(
    failed=("test_log_is_rotated[shop-shop]", "test_rotated_files_cover_retention[shop-shop]"), touches=("shop log",)
)
@shows(r"\A[^\n]+/shop\.log\s*\Z")
def logrotate_stopped_days_ago(lab: ShopLab) -> Iterator[None]:
    """The timer of logrotate is off: the current log reaches back three days, and no file was rotated since."""
    lab.root("mkdir", "/root/aside")
    lab.root("sh", "-c", "mv /var/log/shop/shop.log-* /root/aside")
    with _first_lines(_log(lab, SHOP), _lines("INFO", "GET /orders 200", 9, timedelta(days=3))):
        yield
    lab.root("sh", "-c", "mv /root/aside/* /var/log/shop")
    lab.root("rmdir", "/root/aside")


@contextmanager
def _first_lines(path: Path, lines: Iterable[str]) -> Iterator[None]:
    text = "".join(lines)
    _rewrite(path, lambda known: text + known)
    yield
    _rewrite(path, lambda known: known.removeprefix(text))
