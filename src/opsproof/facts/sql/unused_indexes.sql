-- Which non-unique indexes were not scanned for a day or more?
SELECT scans.schemaname, scans.indexrelname, scans.relname,
       name.relpages::bigint * current_setting('block_size')::integer,
       extract(EPOCH FROM now() - scans.last_idx_scan)::float8,
       counted.next_transaction - age(i.xmin)
  FROM (SELECT NULL::timestamptz AS last_idx_scan) AS before_16
 CROSS JOIN LATERAL (SELECT indexrelid, schemaname, relname, indexrelname, idx_scan, last_idx_scan
                       FROM pg_stat_user_indexes) AS scans
 CROSS JOIN (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_transaction) AS counted
  JOIN pg_index i ON i.indexrelid = scans.indexrelid
  JOIN pg_class name ON name.oid = scans.indexrelid
 WHERE NOT (i.indisunique OR i.indisexclusion OR i.indisreplident) AND i.indisvalid
   AND name.relpages > 4 AND NOT name.relispartition AND name.relkind = 'i'
   AND (scans.idx_scan = 0 OR scans.last_idx_scan < now() - interval '1 day')
 ORDER BY scans.last_idx_scan NULLS FIRST, age(i.xmin) DESC
 LIMIT 100
