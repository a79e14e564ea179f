"""Connection strings of client programs."""

import pytest
from psycopg import conninfo

from opsproof.postgres.dsn import SEARCH_PATH, as_role


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize(
    ("dsn", "more"),
    [
        ("dbname=shop", {}),
        ("dbname=shop options='-c search_path=public'", {}),
        ("postgresql://app@db/shop?options=-csearch_path%3Dpublic", {"options": "-c search_path=public -c jit=off"}),
    ],
    ids=["without options", "in the dsn", "in both"],
)
def test_search_path_comes_after_all_other_options(dsn, more, inside):
    options = conninfo.conninfo_to_dict(as_role(dsn, "opsproof_backup", inside=inside, **more))["options"]
    assert options.endswith(SEARCH_PATH)


def test_further_options_are_kept():
    made = as_role("dbname=shop", "opsproof_backup", inside=False, options="-c lock_timeout=1s")
    assert conninfo.conninfo_to_dict(made)["options"] == f"-c lock_timeout=1s {SEARCH_PATH}"
