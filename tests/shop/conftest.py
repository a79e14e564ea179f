"""A healthy shop for the whole test session, stopped at its end."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from lab import lock
from lab.progress import say_aloud
from lab.shop import ShopLab, missing, system
from tests.harness import timing
from tests.harness.wheel import installed, wheel
from tests.proving import Rounds

__all__ = ["installed", "wheel"]

LOGS = (
    "shop/shop.log",
    "shop/courier.log",
    "nginx/access.log",
    "postgresql/postgresql-15-main.log",
    "postgresql/postgresql-15-archive.log",
)
MARKER = "daily or weekly or monthly or quarterly or predeploy or postdeploy"


@pytest.fixture(scope="session")
def shop_lab() -> Iterator[ShopLab]:
    """The shop of this checkout; skips without root, unless a shop is required."""
    if lacks := missing():
        if os.environ.get("OPSPROOF_REQUIRE_SHOP") == "1":
            pytest.fail(f"missing: {lacks}")
        pytest.skip(f"missing: {lacks}")
    with ExitStack() as stack:
        lab = ShopLab()
        lab.layout.create()
        stack.enter_context(lock.held(lab.layout.session_lock))
        with timing.part("images"):
            system.fetch(lab.layout.home, say_aloud)
        with timing.part("seeding"):
            lab.up()
            stack.callback(lab.down)
            lab.traffic(10, 100)
        yield lab


@pytest.fixture(scope="session")
def rounds(shop_lab: ShopLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rounds]:
    """Rounds of all checks over private ssh connections, each within two minutes."""
    inventory = shop_lab.inventory(tmp_path_factory.mktemp("shop") / "lab-shop.toml")
    reports = shop_lab.layout.reports
    shutil.rmtree(reports, ignore_errors=True)
    # Socket paths are limited to 107 characters, so use a short folder.
    with tempfile.TemporaryDirectory(prefix="opsproof-") as runtime:
        rounds = Rounds(inventory, reports, 120, MARKER, {"XDG_RUNTIME_DIR": runtime})
        rounds.run()  # checks of growth compare with an earlier run
        yield rounds


@contextmanager
def logs_without_traces(lab: ShopLab) -> Iterator[None]:
    """Cuts what was logged meanwhile: errors of many faults would exceed the daily limit. All programs append."""
    paths = [lab.layout.root / "var/log" / name for name in LOGS]
    sizes_bytes = {path: path.stat().st_size for path in paths}
    yield
    for path, size_bytes in sizes_bytes.items():
        os.truncate(path, min(size_bytes, path.stat().st_size))
