-- Which foreign keys have no index on the referencing columns?
SELECT space.nspname, of.relname, key.conname, pg_get_constraintdef(key.oid),
       of.relpages::bigint * current_setting('block_size')::integer,
       format('CREATE INDEX CONCURRENTLY ON %I.%I (%s)', space.nspname, of.relname,
              (SELECT string_agg(quote_ident(attname), ', ' ORDER BY place)
                 FROM unnest(key.conkey) WITH ORDINALITY AS part (number, place)
                 JOIN pg_attribute ON attrelid = key.conrelid AND attnum = part.number))
  FROM (SELECT DISTINCT ON (of.relpages, key.conrelid, key.conkey) key.oid, key.conname, key.conrelid, key.conkey
          FROM pg_constraint key
          JOIN pg_class of ON of.oid = key.conrelid
          LEFT JOIN (pg_index i JOIN pg_class itself ON itself.oid = i.indexrelid
                     -- Other methods do not support equality, or only with an extension.
                     AND itself.relam IN (SELECT oid FROM pg_am WHERE amname IN ('btree', 'hash')))
            ON i.indrelid = key.conrelid AND i.indisvalid
           AND CASE cardinality(key.conkey) WHEN 1 THEN i.indkey[0] = key.conkey[1]
                    ELSE i.indnkeyatts >= cardinality(key.conkey) AND key.conkey
                         <@ (string_to_array(i.indkey::text, ' ')::smallint[])[:cardinality(key.conkey)] END
           AND (i.indpred IS NULL
                OR pg_get_expr(i.indpred, i.indrelid) IN (SELECT format('(%I IS NOT NULL)', attname) FROM pg_attribute
                                                           WHERE attrelid = key.conrelid AND attnum = ANY (key.conkey)))
         WHERE key.contype = 'f' AND of.relkind = 'r' AND i.indrelid IS NULL
           AND coalesce(to_jsonb(key) ->> 'conenforced', 'true') = 'true'
           AND coalesce(to_jsonb(key) ->> 'conperiod', 'false') = 'false'
         -- A key that references a partitioned table has an extra row per partition.
         ORDER BY of.relpages DESC, key.conrelid, key.conkey, key.oid
         LIMIT 20) AS key
  JOIN pg_class of ON of.oid = key.conrelid
  JOIN pg_namespace space ON space.oid = of.relnamespace
 ORDER BY of.relpages DESC, 1, 2
