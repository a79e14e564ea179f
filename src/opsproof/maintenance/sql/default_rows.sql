-- Whether the default partition of a table holds rows from `start` to `finish`, as JSON.
SET search_path = pg_catalog;
SELECT format('SELECT to_json(EXISTS (SELECT FROM %s WHERE %I >= %L AND %I < %L))', :'default', :'column', :'start',
              :'column', :'finish')
\gexec
