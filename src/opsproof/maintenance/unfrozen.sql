-- What keeps transactions old that no VACUUM here can freeze, as one line of JSON: temporary tables, which only their own
-- sessions can, and other databases. Ages are in transactions and multixacts.
SET search_path = pg_catalog;
SELECT coalesce(json_agg(json_build_object('who', who, 'age', age, 'multixacts', multixacts) ORDER BY ord, age DESC), '[]')
  FROM (
    SELECT 1 AS ord, format('temporary table %s.%s, which the session that %s belongs to must drop, or end', nspname, relname,
                            nspname) AS who, age(relfrozenxid) AS age, mxid_age(relminmxid) AS multixacts
      FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE relpersistence = 't' AND relfrozenxid <> '0'
    UNION ALL
    SELECT 2, format('database %s', datname), age(datfrozenxid), mxid_age(datminmxid)
      FROM pg_database WHERE datname <> current_database()) old;
