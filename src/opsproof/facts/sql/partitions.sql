-- Which partitions do partitioned tables have, with which bounds and how many default rows?
WITH RECURSIVE below AS (
    SELECT oid AS part, oid, relkind FROM pg_class
     WHERE relispartition AND relkind = 'p' OR oid IN (SELECT partdefid FROM pg_partitioned_table)
    UNION ALL
    SELECT part, c.oid, c.relkind FROM below JOIN pg_inherits ON inhparent = below.oid AND NOT inhdetachpending
      JOIN pg_class c ON c.oid = inhrelid
     WHERE below.relkind = 'p'
)
SELECT n.nspname || '.' || p.relname, partstrat, c.relname, pg_get_expr(c.relpartbound, c.oid), c.oid = partdefid,
       CASE WHEN c.oid <> partdefid THEN 0
            ELSE (SELECT CASE WHEN coalesce(bool_and(relkind = 'r' AND pg_relation_size(oid) = 0), true) THEN 0
                              ELSE nullif(sum(pg_stat_get_live_tuples(oid)), 0) END::bigint
                    FROM below WHERE part = c.oid AND relkind <> 'p') END,
       c.relkind <> 'p' OR c.oid IN (SELECT part FROM below WHERE relkind <> 'p'),
       to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')
  FROM pg_partitioned_table JOIN pg_class p ON p.oid = partrelid JOIN pg_namespace n ON n.oid = p.relnamespace
  LEFT JOIN pg_inherits ON inhparent = partrelid AND NOT inhdetachpending
  LEFT JOIN pg_class c ON c.oid = inhrelid
