"""The parts of the shop that need no shop."""

import gzip
from datetime import UTC, datetime

from lab.shop import ShopLab, history, machine
from opsproof.inventory.load import load


def test_inventory_of_a_shop_has_paths_of_its_home(tmp_path):
    (host,) = load(ShopLab(tmp_path).inventory(tmp_path / "lab-shop.toml")).hosts.values()

    assert host.transport == f"ssh://ops@10.214.77.2?ssh_config={tmp_path}/ssh/config"
    assert host.endpoints["outside"].ca == f"{tmp_path}/root/etc/shop-ca/ca.crt"


def test_history_is_rotated_by_date_and_replaces_current_lines(tmp_path):
    for name in history.LINES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.log").write_text("of an earlier session\n")
    (tmp_path / "shop" / "shop.log-20200101.gz").touch()

    history.write(tmp_path)

    rotated = sorted(path.name for path in (tmp_path / "shop").glob("shop.log-*"))
    assert len(rotated) == 7
    assert rotated[-1] == f"shop.log-{datetime.now(UTC) - history.ROTATED_AGO:%Y%m%d}.gz"
    oldest = gzip.decompress((tmp_path / "shop" / rotated[0]).read_bytes())
    assert oldest.splitlines()[0].endswith(b"INFO shop: GET /orders 200")
    current = (tmp_path / "nginx" / "access.log").read_text()
    assert current.endswith('"curl/7.88.1"\n')
    assert "earlier session" not in current


def test_record_of_an_ended_process_is_no_running_shop(tmp_path):
    record = tmp_path / "record"
    off = machine.Machine(tmp_path, record, tmp_path / "log")

    assert off.pid == 0
    record.write_text("1 0")
    assert off.pid == 0
