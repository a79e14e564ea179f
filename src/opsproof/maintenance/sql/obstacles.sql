-- Why no partition can be made like the one with the number `sibling`, as one line of JSON: a list of sentences. The server
-- prints an expression with the table's own name before a column where that stands in a subquery, for one: such a text is
-- of no use for another table.
SET search_path = pg_catalog;
SELECT coalesce(json_agg(why ORDER BY why), '[]')
  FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace,
       LATERAL (SELECT format('%I.%I is %s: make the next one by hand', nspname, relname,
                              CASE relkind WHEN 'p' THEN 'itself partitioned' ELSE 'a foreign table' END) AS why
                 WHERE relkind <> 'r'
                 UNION ALL
                SELECT format('policy %I of %I.%I names its table before a column, as in a subquery, and cannot be copied:'
                              ' make the next partition by hand', polname, nspname, relname)
                  FROM pg_policy, concat(pg_get_expr(polqual, polrelid), ' ', pg_get_expr(polwithcheck, polrelid)) text
                 WHERE polrelid = c.oid AND strpos(text, quote_ident(relname) || '.') > 0) each
 WHERE c.oid = :sibling;
