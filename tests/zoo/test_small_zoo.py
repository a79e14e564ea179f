"""A database with every kind of definition, and databases of other encodings and locales, are restored as they were."""

from pathlib import Path

import pytest

from tests.harness.extent import sample
from tests.zoo.counts import RECORDED, fallen, objects, refused

HERE = Path(__file__).parent
ROLES = ("zoo_keeper", '"zoo Über-""visitor"')
TEXTS = {
    "LATIN1": "ü",
    "LATIN9": "€",
    "WIN1252": "€",
    "KOI8R": "ж",
    "EUC_JP": "日本",
    "EUC_KR": "한국",
    "SQL_ASCII": "ü",
}
LOCALES = {
    "icu": "LOCALE_PROVIDER icu ICU_LOCALE 'de-u-kn-true' LC_COLLATE 'C' LC_CTYPE 'C'",
    "icu rules": "LOCALE_PROVIDER icu ICU_LOCALE 'de' ICU_RULES '&a < g' LC_COLLATE 'C' LC_CTYPE 'C'",
    "builtin": "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LC_COLLATE 'C' LC_CTYPE 'C'",
}
LOCALE = (
    "SELECT to_jsonb(d) - '{oid,datacl,datfrozenxid,datminmxid}'::text[] FROM pg_database d WHERE datname = 'localized'"
)
NAMED = """
CREATE TABLE "t{0}" (id int PRIMARY KEY, "{0}" varchar(20) CHECK ("{0}" IN ('{0}', 'b')));
INSERT INTO "t{0}" VALUES (1, '{0}'), (2, 'b');
COMMENT ON TABLE "t{0}" IS '{0}';
CREATE INDEX ON "t{0}" (lower("{0}"));
CREATE TYPE "e{0}" AS ENUM ('{0}');
"""


@pytest.fixture
def without_roles(zoo):
    yield
    for each in ROLES:
        zoo.psql("postgres", "-c", f"DROP ROLE IF EXISTS {each}")


def test_database_with_every_kind_of_definition_is_restored_without_difference(zoo, without_roles, dumped):
    database, recorded = dumped("zoo").create(), RECORDED["small"][zoo.cluster.release]
    done = zoo.psql("zoo", "-f", str(HERE / "zoo.sql"))
    assert refused(done.stderr) <= recorded["refused"], done.stderr
    database.restored()
    assert fallen(objects(database), recorded["objects"]) == {}


@pytest.mark.parametrize("encoding", sample("encodings", list(TEXTS), 1))
def test_database_of_other_encoding_is_restored_without_difference(zoo, dumped, encoding):
    database = dumped(f"e_{encoding.lower()}")
    database.sql(
        f"CREATE DATABASE {database.name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'",
        database="postgres",
    )
    done = zoo.psql(database.name, script=NAMED.format(TEXTS[encoding]), PGCLIENTENCODING="UTF8")
    assert done.stderr == ""
    database.restored()


@pytest.mark.parametrize("locale", sample("locales", list(LOCALES), 1))
def test_locale_of_database_is_restored(zoo, dumped, locale):
    database = dumped("localized")
    done = zoo.psql("postgres", "-c", f"CREATE DATABASE localized TEMPLATE template0 ENCODING 'UTF8' {LOCALES[locale]}")
    if "ERROR" in done.stderr:
        pytest.skip(f"the server refuses the locale: {done.stderr.strip()}")
    before = database.sql(LOCALE, database="postgres")
    database.restored()
    assert database.sql(LOCALE, database="postgres") == before
