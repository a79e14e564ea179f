"""Code of an archive gains no rights while the archive is loaded and compared; no known way to gain some works."""

import pytest

from tests.conftest import REPOSITORY
from tests.harness import extent
from tests.restore.conftest import Copied
from tests.restore.databases import Dumped

LOADER = "opsproof_load"
RISING = """
CREATE FUNCTION public.rise() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    ALTER ROLE shop_owner SUPERUSER;
    RETURN true;
EXCEPTION WHEN OTHERS THEN RETURN true;
END $$
"""
STABLE = (
    "CREATE FUNCTION public.chk(a int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN public.rise(); END'"
)
AS_OWNER = "SET ROLE shop_owner"
CHECKED = (
    AS_OWNER + ";" + RISING + ";" + STABLE + ";" + "CREATE TABLE public.t (a int CHECK (public.chk(a)));"
    "CREATE INDEX folded ON public.t (a) WHERE public.chk(1);"
    "CREATE STATISTICS public.st ON (public.chk(a)), a FROM public.t;"
    "INSERT INTO public.t SELECT generate_series(1, 300)"
)


@pytest.fixture
def shop(postgres, tmp_path):
    """A database whose owner has no rights but in the database, and a role that loads."""
    shop = Dumped(postgres, tmp_path, load_user=LOADER)
    shop.sql(
        "CREATE ROLE shop_owner",
        "CREATE ROLE shop_other",
        (REPOSITORY / "docs" / "privileges" / "load.sql").read_text(),
        f"ALTER ROLE {LOADER} PASSWORD '{postgres.password}'",
        database="postgres",
    )
    yield shop.create("GRANT ALL ON SCHEMA public TO shop_owner, shop_other")
    shop.drop()
    shop.sql(*(f"DROP ROLE {each}" for each in ("shop_owner", "shop_other", LOADER)), database="postgres")


def is_superuser(shop):
    return shop.sql("SELECT rolsuper FROM pg_roles WHERE rolname = 'shop_owner'") == [(True,)]


def back_up(shop, *statements):
    """Backs up the database with a table whose checks and indexes call a function of the owner."""
    shop.sql(CHECKED, *statements)
    shop.require("backup")
    shop.sql("ALTER ROLE shop_owner NOSUPERUSER")  # the superuser's backup may have run the code


def refused(shop, action, *more):
    """The message of a refusal, which is the same in the plan and with --apply."""
    plan, done = shop.plan(action, *more), shop.run(action, *more)
    assert (plan.returncode, done.returncode) == (3, 3), done.stderr
    return done.stderr


def test_code_of_owner_gains_no_rights_by_drill_and_restore(shop):
    back_up(shop)
    said = shop.require("restore_drill")
    assert f"the load runs, as {LOADER}: function public.chk(integer), for shop_owner, in table public.t\n" in said
    assert "public.rise" not in said
    shop.require("restore")
    assert not is_superuser(shop)
    owners = "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    assert shop.sql(owners) == [("shop_owner",)]
    assert shop.differences == []


def test_code_is_refused_without_load_user_until_trusted(shop):
    back_up(shop)
    alone = Dumped(shop.postgres, shop.folder)
    for action in ("restore_drill", "restore"):
        said = refused(alone, action)
        assert "code of shop_owner would run as superuser metachat: set load_user" in said
        assert f"actions/{action}.py --inventory=" in said
        assert " --apply --trust-code\n  the load runs, as superuser metachat: function public.chk(integer)" in said
    assert not is_superuser(shop)
    assert alone.run("restore_drill", "--trust-code").returncode == 0


def test_function_of_the_server_with_effects_is_refused_without_load_user(shop):
    shop.sql(f"{AS_OWNER}; CREATE TABLE public.t (a oid CHECK (lo_export(a, '/tmp/shop') > 0))")
    shop.require("backup")
    said = refused(Dumped(shop.postgres, shop.folder), "restore_drill")
    assert "as superuser metachat: function lo_export of the server, for shop_owner, in table public.t" in said


def test_archive_without_running_code_is_restored_without_load_user(shop):
    shop.sql(AS_OWNER + ";" + RISING + "; CREATE TABLE public.t (a int CHECK (a > 0) DEFAULT 1)")
    shop.require("backup")
    Dumped(shop.postgres, shop.folder).require("restore_drill")


def test_code_of_several_owners_is_refused_until_trusted_and_still_gains_no_rights(shop):
    back_up(shop, "SET ROLE shop_other; CREATE TABLE public.other (a int)")
    assert "each owner's code gets the rights of all owners: shop_other, shop_owner;" in refused(shop, "restore")
    shop.require("restore_drill", "--trust-code")
    assert not is_superuser(shop)


def test_load_user_with_rights_is_refused(shop):
    shop.require("backup")
    shop.sql(f"ALTER ROLE {LOADER} CREATEROLE", f"GRANT shop_owner TO {LOADER}", database="postgres")
    said = refused(shop, "restore_drill")
    assert f"load_user {LOADER} must have no rights, but has CREATEROLE, member of shop_owner" in said


CHANGING = """
    EXECUTE format('ALTER ROLE %I SET work_mem = ''1GB''', current_user);
    EXECUTE format('ALTER ROLE %I PASSWORD ''known''', current_user);
"""
REPLACING = """
    FOREACH attempt IN ARRAY ARRAY[
        'DROP SCHEMA public CASCADE', 'DROP EXTENSION vector CASCADE', 'SET SESSION AUTHORIZATION metachat',
        'CREATE OR REPLACE FUNCTION public.vector_dims(public.vector) RETURNS int LANGUAGE sql AS ''SELECT 1''',
        format('COMMENT ON DATABASE %I IS ''opsproof: verified x''', current_database())] LOOP
        BEGIN
            EXECUTE attempt;
            RAISE EXCEPTION USING ERRCODE = 'UE000', MESSAGE = 'succeeded: ' || attempt;
        EXCEPTION
            WHEN SQLSTATE 'UE000' THEN RAISE;
            WHEN OTHERS THEN NULL;
        END;
    END LOOP;
"""


def plant(shop, body):
    """A table with a row, and with a check that runs `body` where the archive is loaded."""
    function = f"""CREATE FUNCTION public.chk(a int) RETURNS boolean LANGUAGE plpgsql AS $$
        DECLARE attempt text; BEGIN IF current_user = '{LOADER}' THEN {body} END IF; RETURN true; END $$"""
    table = "CREATE TABLE public.t (a int CHECK (public.chk(a))); INSERT INTO public.t VALUES (1)"
    shop.sql(f"{AS_OWNER}; {function}; {table}")
    shop.require("backup")


def test_password_changed_by_loaded_code_is_removed_and_settings_are_reset(shop):
    plant(shop, CHANGING)
    done = shop.run("restore_drill")
    assert done.returncode == 5
    assert "loaded code changed the password of load_user, which is removed" in done.stderr
    kept = "SELECT rolpassword, setconfig FROM pg_authid a LEFT JOIN pg_db_role_setting ON setrole = a.oid"
    assert shop.sql(f"{kept} WHERE rolname = '{LOADER}'") == [(None, None)]
    assert shop.databases == []


def test_loaded_code_can_replace_no_extension_and_forge_no_mark(shop):
    shop.sql("CREATE EXTENSION vector")
    plant(shop, REPLACING)
    shop.require("restore_drill")


def test_objects_made_by_loaded_code_are_a_finding(shop):
    plant(shop, "CREATE TABLE IF NOT EXISTS public.planted (a int);")
    done = shop.run("restore_drill")
    assert done.returncode == 5
    assert "not in the archive, but made while it was loaded: table public.planted" in done.stderr


HEADERS = """
CREATE TABLE public."t
5; 1259 16385 ACL - x shop_owner" (a int);
CREATE TABLE public."TABLE DATA public ACL" (a int);
COMMENT ON TABLE public."TABLE DATA public ACL" IS '
--
-- Name: SCHEMA x; Type: ACL; Schema: -; Owner: metachat
--

ALTER ROLE shop_owner SUPERUSER;
'
"""


def test_names_and_comments_like_headers_of_an_archive_are_only_text(shop):
    shop.sql(AS_OWNER + ";" + HEADERS)
    shop.require("backup")
    shop.require("restore")
    assert not is_superuser(shop)


EDITED = {
    "privileges": (b"GRANT SELECT ON TABLE public.t TO shop_other;", b"ALTER ROLE shop_owner SUPERUSER;"),
    "membership": (b"GRANT SELECT ON TABLE public.t TO shop_other;", b"GRANT metachat TO shop_owner;"),
    "two statements": (b"GRANT SELECT ON TABLE public.t TO shop_other;", b"GRANT ALL ON TABLE t TO x;SELECT 1;"),
    "command of psql": (b"GRANT SELECT ON TABLE public.t TO shop_other;", b"\\! touch /tmp/shop"),
    "extension": (b"CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA public;", b"ALTER ROLE shop_owner SUPERUSER;"),
    "schema": (b"CREATE SCHEMA a_long_name_for_a_schema_of_the_shop;", b"ALTER ROLE shop_owner SUPERUSER;"),
    "comment": (
        b"COMMENT ON EXTENSION citext IS 'data type for case-insensitive character strings';",
        b"COMMENT ON EXTENSION citext IS 'x';ALTER ROLE shop_owner SUPERUSER;",
    ),
}


@pytest.fixture
def backup_to_edit(shop):
    """A backup with each type of statement that a superuser runs."""
    shop.sql("CREATE EXTENSION citext", "CREATE SCHEMA a_long_name_for_a_schema_of_the_shop")
    shop.sql(AS_OWNER + "; CREATE TABLE public.t (a int); GRANT SELECT ON public.t TO shop_other")
    shop.require("backup")
    (manifest,) = (shop.folder / "backups").glob("*.manifest.json")
    return Copied(shop.folder / "backups", manifest.name.removesuffix(".manifest.json"))


@pytest.mark.parametrize("edited", extent.sample("edited archives", list(EDITED), 3))
def test_edited_archive_with_edited_manifest_runs_no_statement_as_superuser(shop, backup_to_edit, edited):
    old, new = EDITED[edited]
    backup_to_edit.edit(old, new.ljust(len(old)))
    said = refused(shop, "restore_drill")
    assert "statements differ from those of pg_dump: " in said
    assert not is_superuser(shop)
