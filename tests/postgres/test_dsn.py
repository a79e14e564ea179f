"""Connection strings of client programs."""

import pytest
from psycopg import conninfo
from pydantic import ValidationError

from opsproof.core.errors import DatabaseError
from opsproof.inventory.resources import SECRETS, Database
from opsproof.postgres.dsn import SEARCH_PATH, as_role, parsed


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


def test_options_of_the_dsn_come_first_and_own_options_override_fixed_settings():
    made = as_role("dbname=shop options='-c jit=off'", "opsproof_backup", inside=False, options="-c lock_timeout=1s")
    options = conninfo.conninfo_to_dict(made)["options"]
    assert options.startswith("-c jit=off -c role=none -c row_security=off ")
    assert options.index("-c lock_timeout=0") < options.index("-c lock_timeout=1s")


@pytest.mark.parametrize("key", SECRETS)
@pytest.mark.parametrize("dsn", ["dbname=shop {}\t=\t'x'", "postgresql://db/shop?{}=x"])
def test_secret_in_a_dsn_is_refused_by_the_parser_of_libpq(dsn, key):
    encoded = f"%{ord(key[0]):x}{key[1:]}" if "://" in dsn else key
    with pytest.raises(DatabaseError, match=rf"^the dsn contains {key}$|invalid (URI query|connection option)"):
        parsed(dsn.format(encoded))
    with pytest.raises(ValidationError, match="the dsn contains a password"):
        Database(dsn=dsn.format(encoded))
