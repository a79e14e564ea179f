-- Which indexes does another index of the same table make redundant?
WITH pair AS MATERIALIZED (
    SELECT a.indexrelid, a.indrelid, b.indexrelid AS other, (a.indisunique, a.indimmediate) = (b.indisunique, b.indimmediate) AS equal,
           a.indkey::text = b.indkey::text AND a.indnkeyatts = b.indnkeyatts AS alike, a.indkey::text AS columns,
           b.indkey::text AS other_columns
      FROM pg_index a
      JOIN pg_class c ON c.oid = a.indexrelid AND NOT c.relispartition
      JOIN pg_index b ON b.indrelid = a.indrelid AND b.indkey[0] = a.indkey[0] AND b.indexrelid <> a.indexrelid
     WHERE a.indisvalid AND b.indisvalid AND a.indrelid >= 16384 AND NOT (a.indisprimary OR a.indisreplident)
       AND pg_get_expr(a.indpred, a.indrelid) IS NOT DISTINCT FROM pg_get_expr(b.indpred, b.indrelid)
       AND CASE WHEN a.indkey::text = b.indkey::text AND a.indnkeyatts = b.indnkeyatts
                THEN a.indclass::text = b.indclass::text AND a.indcollation::text = b.indcollation::text
                     AND a.indoption::text = b.indoption::text AND a.indisunique <= b.indisunique
                     AND (a.indisunique AND a.indimmediate) <= b.indimmediate
                     AND pg_get_expr(a.indexprs, a.indrelid) IS NOT DISTINCT FROM pg_get_expr(b.indexprs, b.indrelid)
                     AND to_jsonb(a) ->> 'indnullsnotdistinct' IS NOT DISTINCT FROM to_jsonb(b) ->> 'indnullsnotdistinct'
                ELSE NOT a.indisunique AND a.indexprs IS NULL AND a.indnatts = a.indnkeyatts
                     AND b.indnkeyatts > a.indnkeyatts
                     AND starts_with(b.indkey::text, a.indkey::text || ' ')
                     AND starts_with(b.indclass::text, a.indclass::text || ' ')
                     AND starts_with(b.indcollation::text, a.indcollation::text || ' ')
                     AND starts_with(b.indoption::text, a.indoption::text || ' ')
           END
)
SELECT space.nspname, spare.relname, kept.relname, of.relname,
       spare.relpages::bigint * current_setting('block_size')::integer, pair.alike,
       CASE WHEN of.relispartition
            THEN (SELECT nspname || '.' || relname FROM pg_class p JOIN pg_namespace n ON n.oid = relnamespace
                   WHERE p.oid = pg_partition_root(of.oid)) END,
       pair.columns || ' in ' || pair.other_columns
  FROM pair
  JOIN pg_class spare ON spare.oid = pair.indexrelid
  JOIN pg_class kept ON kept.oid = pair.other AND kept.relam = spare.relam
  JOIN pg_class of ON of.oid = pair.indrelid
  JOIN pg_namespace space ON space.oid = spare.relnamespace
 WHERE (pair.alike OR spare.relam = (SELECT oid FROM pg_am WHERE amname = 'btree'))
   AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = pair.indexrelid AND c.contype IN ('f', 'p', 'x'))
   AND (NOT (pair.alike AND pair.equal) OR pair.indexrelid > pair.other
        OR EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = pair.other AND c.contype IN ('f', 'p', 'x')))
 ORDER BY spare.relpages DESC, 1, 2, 3
 LIMIT 1000
