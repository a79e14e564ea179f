-- Why can the partition with OID `sibling` not be copied?
--
-- One JSON list of sentences. In subqueries the server prints a policy's expression with the table's own name before
-- columns; such a text is invalid for a new table.
SELECT coalesce(json_agg(why ORDER BY why), '[]')
  FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace,
       LATERAL (SELECT format('%I.%I is %s: create the next partition by hand', nspname, relname,
                              CASE relkind WHEN 'p' THEN 'partitioned' ELSE 'a foreign table' END) AS why
                 WHERE relkind <> 'r'
                 UNION ALL
                SELECT format('policy %I of %I.%I names its table before a column, as in a subquery, and cannot be copied:'
                              ' create the next partition by hand', polname, nspname, relname)
                  FROM pg_policy, concat(pg_get_expr(polqual, polrelid), ' ', pg_get_expr(polwithcheck, polrelid)) text
                 WHERE polrelid = c.oid AND strpos(text, quote_ident(relname) || '.') > 0) each
 WHERE c.oid = :sibling;
