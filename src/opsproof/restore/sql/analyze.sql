-- Analyzes all tables, except foreign tables and their parents: foreign servers may be out of reach.
WITH RECURSIVE remote (oid) AS (
    SELECT oid FROM pg_class WHERE relkind = 'f'
    UNION
    SELECT inhparent FROM pg_inherits JOIN remote ON inhrelid = remote.oid
)
SELECT 'ANALYZE ' || string_agg(c.oid::regclass::text, ', ')
  FROM pg_class c
 WHERE relkind IN ('r', 'm', 'p') AND relpersistence <> 't' AND oid NOT IN (SELECT oid FROM remote)
   AND NOT EXISTS (SELECT FROM pg_inherits
                    WHERE inhrelid = c.oid AND relispartition AND inhparent NOT IN (SELECT oid FROM remote))
\gexec
