-- Writes `mark` as first line of the comment of the database `name`, and replaces an earlier mark.
SELECT format('COMMENT ON DATABASE %I IS %L', datname, concat_ws(E'\n', 'opsproof: ' || :'mark',
              nullif(regexp_replace(coalesce(shobj_description(oid, 'pg_database'), ''), '^opsproof: [^\n]*\n?', ''), '')))
  FROM pg_database WHERE datname = :'name'
\gexec
