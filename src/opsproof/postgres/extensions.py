r"""Schemas of the extensions that queries use: the search path has none of them.

A query names the schema of an extension's relation or function as a psql variable, such as
`:"pgstatindex".pgstatindex(...)`. psql replaces the variable itself, after `LOOKUP` and `\gset`.
"""

from collections.abc import Mapping, Sequence

from opsproof.postgres.quoting import identifier, literal

MEMBERS = {
    "pg_stat_statements": "pg_stat_statements",
    "pg_stat_statements_info": "pg_stat_statements",
    "pgstatindex": "pgstattuple",
    "pgstattuple_approx": "pgstattuple",
}
"""The extension of each relation and function; only superusers can create these extensions."""
_HOMES = ",\n       ".join(
    f"coalesce(max(nspname) FILTER (WHERE extname = {literal(extension)} AND name = {literal(name)}), 'pg_catalog')"
    f" AS {identifier(name)}"
    for name, extension in MEMBERS.items()
)
LOOKUP = f"""
SELECT {_HOMES}
  FROM (SELECT extname, relname AS name, relnamespace AS home
          FROM pg_extension e JOIN pg_depend d ON refclassid = 'pg_extension'::regclass AND refobjid = e.oid
          JOIN pg_class c ON classid = 'pg_class'::regclass AND c.oid = objid
         WHERE deptype = 'e'
         UNION ALL
        SELECT extname, proname, pronamespace
          FROM pg_extension e JOIN pg_depend d ON refclassid = 'pg_extension'::regclass AND refobjid = e.oid
          JOIN pg_proc p ON classid = 'pg_proc'::regclass AND p.oid = objid
         WHERE deptype = 'e') AS member
  JOIN pg_namespace n ON n.oid = home
"""  # noqa: S608
"""One row with the schema of each member; pg_catalog, where none is found, if the extension is not installed.

Membership decides, not the name: in the schema of an extension, other roles may have relations and functions too.
"""


def needed(queries: Sequence[str]) -> bool:
    """Whether a query names a schema that `LOOKUP` must find."""
    return any(_variable(name) in query for query in queries for name in MEMBERS)


def placed(query: str, homes: Mapping[str, str]) -> str:
    """The query with schemas in place of variables."""
    for name, home in homes.items():
        query = query.replace(_variable(name), identifier(home))
    return query


def _variable(name: str) -> str:
    return f":{identifier(name)}"
