-- Which temporary tables and other databases keep transaction IDs old, out of reach of VACUUM in this database?
--
-- Only its own session can freeze a temporary table. One line of JSON, ages in transactions and multixact IDs.
SELECT coalesce(json_agg(json_build_object('who', who, 'age', age, 'multixacts', multixacts) ORDER BY ord, age DESC), '[]')
  FROM (
    SELECT 1 AS ord, format('temporary table %s.%s, which only the session that owns %s can freeze or drop', nspname,
                            c.relname, nspname) AS who,
           greatest(age(c.relfrozenxid), age(t.relfrozenxid)) AS age,
           greatest(mxid_age(c.relminmxid), mxid_age(t.relminmxid)) AS multixacts
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
     WHERE c.relpersistence = 't' AND c.relkind = 'r'
    UNION ALL
    SELECT 2, format('database %s', datname), age(datfrozenxid), mxid_age(datminmxid)
      FROM pg_database WHERE datname <> current_database()) old;
