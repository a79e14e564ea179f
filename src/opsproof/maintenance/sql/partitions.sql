-- Which partitioned tables are in `names`, with key column, owner, default partition and partition OIDs?
--
-- `names` is a JSON list of schema.table. One line of JSON; only range partitions on a single date or timestamp column.
WITH wanted AS (SELECT ord, said FROM json_array_elements_text(:'names') WITH ORDINALITY t (said, ord))
SELECT coalesce(json_agg(json_build_object(
        'schema', nspname, 'name', relname, 'column', attname, 'owner', pg_get_userbyid(relowner),
        'owned', pg_has_role(relowner, 'USAGE'),
        'default', coalesce((SELECT format('%I.%I', nspname, relname) FROM pg_class
                               JOIN pg_namespace n ON n.oid = relnamespace WHERE pg_class.oid = partdefid), ''),
        'numbers', (SELECT coalesce(json_object_agg(relname, p.oid::bigint), '{}')
                      FROM pg_inherits JOIN pg_class p ON p.oid = inhrelid WHERE inhparent = c.oid)) ORDER BY ord), '[]')
  FROM wanted CROSS JOIN pg_partitioned_table
  JOIN pg_class c ON c.oid = partrelid
  JOIN pg_namespace s ON s.oid = relnamespace AND nspname || '.' || relname = said
  JOIN pg_attribute ON attrelid = c.oid AND attnum = partattrs[0]
 WHERE partstrat = 'r' AND partnatts = 1
   AND format_type(atttypid, NULL) IN ('date', 'timestamp without time zone', 'timestamp with time zone');
