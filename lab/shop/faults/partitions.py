"""Faults of partitions by day and by week."""

from collections.abc import Iterator

from lab.fault import shows
from lab.shop import ShopLab
from lab.shop.faults.fault import fault


@fault(failed=("test_future_partitions_exist[shop-orders]",))
def partition_of_next_week_missing(lab: ShopLab) -> Iterator[None]:
    """The job that makes partitions by day has not run for a while."""
    lab.sql(_dropped("INSERT INTO orders (customer, placed_at, total) VALUES (1, current_date + 5, 0)"))
    yield
    lab.sql("SET ROLE shop; SELECT make_partitions()")


@fault(failed=("test_future_partitions_exist[shop-visits]",))
def partition_of_second_next_week_missing(lab: ShopLab) -> Iterator[None]:
    """The job that makes partitions by week has not run for a while."""
    lab.sql(_dropped("INSERT INTO visits (seen_at, page) VALUES (current_date + 14, '')"), "archive")
    yield
    lab.sql("SET ROLE shop; SELECT make_partitions()", "archive")


@fault(failed=("test_partitions_have_no_gap[shop-orders]",))
@shows(r"orders_\d{8} +\| f")
def day_of_the_past_detached(lab: ShopLab) -> Iterator[None]:
    """An operator detached a day between others, and its orders are missing."""
    lab.sql(_each("ALTER TABLE orders DETACH PARTITION orders_%s"))
    yield
    lab.sql(_each("ALTER TABLE orders ATTACH PARTITION orders_%1$s FOR VALUES FROM (%2$L) TO (%3$L)"))


def _dropped(insert: str) -> str:
    """A statement that drops the partition of a row, whatever the partition's name: a remedy chooses its own."""
    return (
        f"DO $$ DECLARE partition regclass; BEGIN {insert} RETURNING tableoid INTO partition;"
        " EXECUTE format('DROP TABLE %s', partition); END $$"
    )


def _each(statement: str) -> str:
    """A statement about the partition of three days ago, with its name and bounds."""
    day = "current_date - 3"
    return f"DO $$ BEGIN EXECUTE format('{statement}', to_char({day}, 'YYYYMMDD'), {day}, {day} + 1); END $$"
