-- Builds the index `replacement` concurrently: like the index with OID `oid`, but with `lists` lists.
WITH old AS (
    SELECT pg_get_indexdef(c.oid) AS whole, format('CREATE INDEX %I ON ', relname) AS head, spcname,
           coalesce((SELECT format(' WITH (%s)', string_agg(
                                format('%s=%s', quote_ident(option_name),
                                       CASE WHEN quote_ident(option_value) = option_value THEN option_value
                                            ELSE quote_literal(option_value) END), ', '))
                       FROM pg_options_to_table(reloptions)), '') AS options,
           coalesce(' WHERE ' || pg_get_expr(indpred, indrelid), '') AS condition
      FROM pg_class c JOIN pg_index ON indexrelid = c.oid LEFT JOIN pg_tablespace s ON s.oid = reltablespace
     WHERE c.oid = :oid),
parts AS (
    SELECT *, left(substr(whole, length(head) + 1), -length(options || condition)) AS body
      FROM old WHERE options || condition <> ''
    UNION ALL
    SELECT *, substr(whole, length(head) + 1) FROM old WHERE options || condition = '')
SELECT format('CREATE INDEX CONCURRENTLY %I ON %s WITH (lists = %s)%s%s', :'replacement', body, :'lists',
              ' TABLESPACE ' || quote_ident(spcname), condition) AS statement
  FROM parts WHERE head || body || options || condition = whole
\gset
:statement;  -- noqa: PRS
