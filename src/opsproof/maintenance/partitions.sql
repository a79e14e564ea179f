-- Tables that are partitioned by ranges of one column of times, by the list `names` of [schema, table], with what is
-- there of them, as one line of JSON. Bounds are as the server says them, in UTC.
SET search_path = pg_catalog;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
WITH wanted AS (
    SELECT ord, each ->> 0 AS schema, each ->> 1 AS name FROM json_array_elements(:'names') WITH ORDINALITY t (each, ord)),
found AS (
    SELECT ord, schema, name, c.oid, relowner, partstrat, partdefid, attname, format_type(atttypid, NULL) AS type,
           partnatts = 1 AND partattrs[0] > 0 AS simple
      FROM wanted LEFT JOIN pg_namespace ON nspname = schema
      LEFT JOIN pg_class c ON relnamespace = pg_namespace.oid AND relname = name
      LEFT JOIN pg_partitioned_table ON partrelid = c.oid
      LEFT JOIN pg_attribute ON attrelid = c.oid AND attnum = partattrs[0])
SELECT json_build_object(
    'today', (clock_timestamp() AT TIME ZONE 'UTC')::date,
    'tables', json_agg(json_build_object(
        'schema', schema, 'name', name, 'there', oid IS NOT NULL, 'column', attname,
        'by_time', coalesce(partstrat = 'r' AND simple, false)
                   AND type IN ('date', 'timestamp without time zone', 'timestamp with time zone'),
        'owner', pg_get_userbyid(relowner),
        'owned', pg_has_role(relowner, 'USAGE') OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
        'default', (SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
                     WHERE pg_class.oid = partdefid),
        'partitions', (SELECT coalesce(json_agg(json_build_object(
                                  'oid', p.oid::bigint, 'name', relname, 'bound', pg_get_expr(relpartbound, p.oid))), '[]')
                         FROM pg_inherits JOIN pg_class p ON p.oid = inhrelid WHERE inhparent = found.oid)) ORDER BY ord))
  FROM found;
