-- Which properties of the partition with OID `sibling` does the new partition `name` lack?
--
-- One JSON list of descriptions; properties that add_partition.sql always copies are omitted.
WITH pair AS (
    SELECT c.*, c.oid = :sibling AS older, format('%I.%I', nspname, relname) AS called
      FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
     WHERE c.oid = :sibling OR nspname = :'schema' AND relname = :'name'),
indexes AS (
    SELECT older, indisreplident, format('%sINDEX %s%s', CASE WHEN indisunique THEN 'UNIQUE ' ELSE '' END,
                                         substr(text, strpos(text, ' USING ') + 7), ' TABLESPACE ' || spcname) AS what
      FROM pair JOIN pg_index ON indrelid = pair.oid AND indisvalid JOIN pg_class i ON i.oid = indexrelid
      LEFT JOIN pg_tablespace s ON s.oid = i.reltablespace, pg_get_indexdef(indexrelid) text),
traits AS (
    SELECT older, what FROM indexes
    UNION ALL SELECT older, 'REPLICA IDENTITY USING ' || what FROM indexes WHERE indisreplident
    UNION ALL SELECT older, 'owner ' || pg_get_userbyid(relowner) FROM pair
    UNION ALL SELECT older, 'UNLOGGED' FROM pair WHERE relpersistence = 'u'
    UNION ALL SELECT older, format('DEFAULT %s of %I', pg_get_expr(adbin, adrelid), attname)
      FROM pair JOIN pg_attrdef ON adrelid = pair.oid JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
    UNION ALL SELECT older, format('IDENTITY of %I', attname)
      FROM pair JOIN pg_attribute ON attrelid = pair.oid AND attidentity <> '' AND NOT attisdropped
    UNION ALL SELECT older, replace(pg_get_constraintdef(k.oid), ' NOT VALID', '')
      FROM pair JOIN pg_constraint k ON conrelid = pair.oid AND contype IN ('c', 'f', 'p', 'u', 'x')
    UNION ALL SELECT older, replace(pg_get_triggerdef(t.oid), format(' ON %s ', called), ' ')
                            || CASE tgenabled WHEN 'D' THEN ', disabled' WHEN 'O' THEN '' ELSE ', ENABLE ' || tgenabled::text END
      FROM pair JOIN pg_trigger t ON tgrelid = pair.oid AND NOT tgisinternal
    UNION ALL SELECT older, format('rule %I', rulename) FROM pair JOIN pg_rewrite ON ev_class = pair.oid
    UNION ALL SELECT older, 'STATISTICS ON ' || pg_get_statisticsobjdef_columns(s.oid)
      FROM pair JOIN pg_statistic_ext s ON stxrelid = pair.oid
    UNION ALL SELECT older, format('publication %I%s%s', pubname, ' of ' || columns, ' WHERE ' || (each ->> 'rowfilter'))
      FROM pair JOIN pg_publication_tables p ON format('%I.%I', schemaname, tablename) = called, to_jsonb(p) each,
           LATERAL (SELECT string_agg(name, ', ' ORDER BY name) AS columns
                      FROM jsonb_array_elements_text(each -> 'attnames') name) listed)
SELECT coalesce(json_agg(what ORDER BY what), '[]')
  FROM (SELECT what FROM traits GROUP BY what HAVING bool_and(older)) alone;
