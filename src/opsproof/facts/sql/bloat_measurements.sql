-- How much space of suspect relations is unused, by pgstattuple, as far as time allows?
SELECT oid, CASE WHEN clock_timestamp() + make_interval(secs => size / 200000000.0) < stop
                 THEN CASE kind WHEN 'index' THEN
                          (SELECT ARRAY[index_size, leaf_pages, internal_pages, avg_leaf_density]::float8[]
                             FROM :"pgstatindex".pgstatindex(oid::regclass))
                      ELSE (SELECT ARRAY[table_len, dead_tuple_len + approx_free_space, approx_tuple_len,
                                         approx_tuple_count]::float8[]
                              FROM :"pgstattuple_approx".pgstattuple_approx(oid::regclass)) END END
  FROM (SELECT *, statement_timestamp() + limit_s / 2 * interval '1 s' AS stop
          FROM suspect CROSS JOIN (
               SELECT coalesce(nullif(setting::float8, 0), 60000) / 1000 AS limit_s
                 FROM pg_settings WHERE name = 'statement_timeout') AS given
         ORDER BY size * coalesce(estimate, 100) DESC) AS ordered
