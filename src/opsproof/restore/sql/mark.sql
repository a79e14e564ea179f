-- Puts `mark` before the comment of the database `name`, in the place of an earlier mark.
SELECT format('COMMENT ON DATABASE %I IS %L', datname, concat_ws(E'\n', 'opsproof: ' || :'mark',
              nullif(regexp_replace(coalesce(shobj_description(oid, 'pg_database'), ''), '^opsproof: [^\n]*\n?', ''), '')))
  FROM pg_database WHERE datname = :'name'
\gexec
