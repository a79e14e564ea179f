-- Which statements with twenty calls or more take the most time in total and on average, and which rare ones the most?
SELECT role.sees, queryid::text, calls, total_ms, longest_ms, deviation_ms,
       -- Utility statements keep literals and comments in their text, so only their first word is shown.
       CASE WHEN words ~* '^\s*(\(|(select|insert|update|delete|merge|with|values)\y)' AND words !~ '''|/\*|\*/|\$\D'
            THEN left(btrim(regexp_replace(words, '\s+', ' ', 'g')), 150)
            WHEN words !~ '/\*|\*/' THEN substring(words FROM '^\s*(\w+)') END,
       extract(EPOCH FROM now())::float8, role.since, role.tracked
  FROM (SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees,
               extract(EPOCH FROM stats_reset)::float8 AS since,
               current_setting('pg_stat_statements.track') AS tracked
          FROM :"pg_stat_statements_info".pg_stat_statements_info) AS role
  LEFT JOIN (
       SELECT queryid, sum(calls)::bigint AS calls, sum(total_exec_time) AS total_ms, max(max_exec_time) AS longest_ms,
              sqrt(greatest(0, sum(calls * (stddev_exec_time ^ 2 + mean_exec_time ^ 2)) / sum(calls)
                               - (sum(total_exec_time) / sum(calls)) ^ 2)) AS deviation_ms,
              regexp_replace(min(query), '("[^"]*"|\$\d+)|--[^\n]*|/\*([^*]|\*+[^*/])*\*+/|\m\d[\d.]*\M', '\1', 'g') AS words,
              row_number() OVER (PARTITION BY sum(calls) >= 20 ORDER BY sum(total_exec_time) DESC) AS by_total,
              row_number() OVER (PARTITION BY sum(calls) >= 20
                                 ORDER BY sum(total_exec_time) / sum(calls) DESC) AS by_mean
         FROM :"pg_stat_statements".pg_stat_statements
         LEFT JOIN pg_roles r ON r.oid = userid
        WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND coalesce(rolname, '') !~ '^opsproof_'
          -- The monitoring role may serve an application too: only its catalog queries are excluded.
          AND NOT (coalesce(rolname = current_user, false)
                   AND coalesce(query, '') ~ '\mpg_(class|database|index|inherits|locks|namespace|partition|prepared|replication|settings|stat)')
          AND coalesce(query, '') !~* '^\s*(/\*.*?\*/\s*)*(copy|vacuum|analyze|reindex|create|alter|drop|cluster|refresh|call|do)\y'
        GROUP BY queryid
       -- Rare queries of catalogs are of opsproof's actions and of people. Rare EXPLAIN ANALYZE is of people.
       HAVING sum(calls) >= 20
           OR min(query) !~* '\mpg_(class|stat|attribute|index|namespace|settings)|pgstat|^\s*explain\y') AS found
    ON (calls >= 20 AND by_total <= 50) OR by_mean <= 10
 ORDER BY total_ms / calls DESC
