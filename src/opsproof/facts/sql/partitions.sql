SELECT n.nspname || '.' || p.relname, partstrat, c.relname, pg_get_expr(c.relpartbound, c.oid), c.oid = partdefid,
       CASE WHEN c.oid <> partdefid OR c.relkind = 'r' AND pg_relation_size(c.oid) = 0 THEN 0
            ELSE nullif(pg_stat_get_live_tuples(c.oid), 0) END,
       to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')
  FROM pg_partitioned_table JOIN pg_class p ON p.oid = partrelid JOIN pg_namespace n ON n.oid = p.relnamespace
  LEFT JOIN pg_inherits ON inhparent = partrelid AND NOT inhdetachpending
  LEFT JOIN pg_class c ON c.oid = inhrelid
