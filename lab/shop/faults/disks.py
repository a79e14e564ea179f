"""Faults of a small file system that systemd mounts."""

from collections.abc import Iterator

from lab.fault import shows
from lab.shop import ShopLab
from lab.shop.faults.fault import fault

PARCELS = "/srv/parcels"


@fault(failed=(f"test_disk_has_free_space[shop-{PARCELS}]",), touches=("parcels",))
@shows(r"^1\.9M\s.*ballast$")
def parcels_fill_their_disk(lab: ShopLab) -> Iterator[None]:
    """Nine tenths of the bytes are in use."""
    lab.root("sh", "-c", f"head -c 1932288 /dev/zero > {PARCELS}/ballast")
    yield
    lab.root("rm", f"{PARCELS}/ballast")


@fault(failed=(f"test_inodes_are_available[shop-{PARCELS}]",), touches=("parcels",))
@shows(r"^6\d\s.*parcels$")
def parcels_use_up_the_inodes(lab: ShopLab) -> Iterator[None]:
    """Empty files use up the inodes."""
    lab.root("sh", "-c", f"cd {PARCELS} && touch $(seq 60)")
    yield
    lab.root("sh", "-c", f"cd {PARCELS} && rm $(seq 60)")


@fault(
    failed=(f"test_mount_is_mounted[shop-{PARCELS}]",),
    may_change=(f"test_disk_has_free_space[shop-{PARCELS}]", f"test_inodes_are_available[shop-{PARCELS}]"),
    touches=("parcels",),
)
def parcels_not_mounted(lab: ShopLab) -> Iterator[None]:
    """The mount point exists, the disk is not mounted."""
    lab.root("systemctl", "stop", "srv-parcels.mount")
    yield
    lab.root("systemctl", "start", "srv-parcels.mount")
