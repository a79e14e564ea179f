-- Gives the objects that `loader` has loaded to their owners, then privileges and comments as in the archive.
-- None of the statements runs code of the archive: identities come from the catalogs, privileges in a checked form.
SET client_min_messages = 'warning';
CREATE TABLE pg_temp.entry (number int, catalog text, schema text, name text, owner text, said text);
COPY pg_temp.entry (number, catalog, schema, name, owner, said) FROM STDIN;

-- Sequences of columns follow their tables, and so must not be given alone.
CREATE VIEW pg_temp.loaded AS
SELECT d.classid, d.objid, i.type, i.identity, d.classid::regclass::text AS catalog,
       coalesce((parse_ident(i.schema))[1], '') AS schema,
       CASE d.classid WHEN 'pg_proc'::regclass THEN
                (SELECT format('%s(%s)', proname,
                               CASE WHEN prokind = 'a' AND pronargs = 0 THEN '*' ELSE
                                   (SELECT string_agg(format_type(type, NULL), ', ' ORDER BY place)
                                      FROM unnest(proargtypes) WITH ORDINALITY AS a (type, place)) END)
                   FROM pg_proc WHERE oid = d.objid)
            WHEN 'pg_operator'::regclass THEN (SELECT oprname::text FROM pg_operator WHERE oid = d.objid)
            WHEN 'pg_largeobject'::regclass THEN d.objid::text
            ELSE (parse_ident(i.name))[1] END AS name
  FROM pg_shdepend d, pg_identify_object(d.classid, d.objid, 0) AS i
 WHERE d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND d.deptype = 'o'
   AND d.refclassid = 'pg_authid'::regclass AND d.refobjid = to_regrole(format('%I', :'loader'))
   AND NOT EXISTS (SELECT FROM pg_depend s JOIN pg_class c ON c.oid = s.objid AND relkind = 'S'
                    WHERE s.classid = d.classid AND s.objid = d.objid AND s.refclassid = 'pg_class'::regclass
                      AND s.refobjsubid > 0 AND s.deptype IN ('a', 'i'));

SELECT DISTINCT ON (classid, objid)
       format('ALTER %s %s OWNER TO %I',
              CASE WHEN catalog = 'pg_class' AND type <> 'foreign table' THEN 'TABLE' WHEN catalog = 'pg_proc' THEN 'ROUTINE'
                   WHEN catalog = 'pg_type' THEN 'TYPE' WHEN catalog = 'pg_statistic_ext' THEN 'STATISTICS' ELSE type END,
              identity, owner)
  FROM pg_temp.loaded JOIN pg_temp.entry USING (catalog, schema, name)
 ORDER BY classid, objid, number
\gexec
-- Before PostgreSQL 17, the multirange type does not follow its range type.
SELECT format('ALTER TYPE %s OWNER TO %I', identity, pg_get_userbyid(r.typowner))
  FROM pg_temp.loaded l JOIN pg_range ON l.objid = rngmultitypid JOIN pg_type r ON r.oid = rngtypid
 WHERE l.catalog = 'pg_type'
\gexec
-- The server makes functions for a range type.
SELECT format('ALTER ROUTINE %s OWNER TO %I', identity, pg_get_userbyid(r.typowner))
  FROM pg_temp.loaded l JOIN pg_depend d ON d.classid = l.classid AND d.objid = l.objid AND d.deptype = 'i'
  JOIN pg_range ON d.refclassid = 'pg_type'::regclass AND d.refobjid IN (rngtypid, rngmultitypid)
  JOIN pg_type r ON r.oid = rngtypid
 WHERE l.catalog = 'pg_proc'
\gexec
SELECT format('REVOKE ALL ON SCHEMA %I FROM %I', nspname, :'loader')
  FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
\gexec
SELECT format('ALTER SCHEMA %I OWNER TO %I', name, owner)
  FROM pg_temp.entry WHERE catalog = 'pg_namespace' AND owner <> '' ORDER BY number
\gexec
SELECT format('COMMENT ON %s %I IS %L', schema, name, said) FROM pg_temp.entry WHERE catalog = 'comment' ORDER BY number
\gexec
-- privileges

-- Whatever remains was made by code of the archive.
DO $$
DECLARE
    others CONSTANT text := (SELECT string_agg(format('%s %s', type, identity), ', ' ORDER BY type, identity) FROM pg_temp.loaded);
BEGIN
    IF others IS NOT NULL THEN
        RAISE EXCEPTION 'not in the archive, but made while it was loaded: %', left(others, 500);
    END IF;
END
$$;
