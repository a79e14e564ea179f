-- Which tables have no primary key?
SELECT space.nspname, of.relname, part.pages * current_setting('block_size')::integer
  FROM pg_class of
  JOIN pg_namespace space ON space.oid = of.relnamespace
 CROSS JOIN LATERAL (SELECT coalesce(sum(leaf.relpages), of.relpages)::bigint AS pages
                       FROM pg_partition_tree(of.oid) JOIN pg_class leaf ON leaf.oid = relid AND isleaf) AS part
 WHERE of.relkind IN ('r', 'p') AND NOT of.relispartition AND of.relpersistence <> 't'
   AND space.nspname NOT IN ('pg_catalog', 'information_schema')
   AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = of.oid AND i.indisprimary)
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = of.oid AND d.deptype = 'e')
 ORDER BY part.pages DESC, 1, 2
 LIMIT 100
