SELECT queryid::text, calls, total_ms, longest_ms, left(regexp_replace(query, '\s+', ' ', 'g'), 150),
       extract(epoch FROM now())::float8
  FROM (SELECT queryid, sum(calls)::bigint AS calls, sum(total_exec_time) AS total_ms, max(max_exec_time) AS longest_ms,
               min(query) AS query, row_number() OVER (ORDER BY sum(total_exec_time) DESC) AS by_total,
               row_number() OVER (ORDER BY sum(total_exec_time) / sum(calls) DESC) AS by_mean
          FROM pg_stat_statements
         WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND userid NOT IN (SELECT oid FROM pg_roles WHERE rolname = current_user OR rolname ~ '^opsproof_')
           AND query !~* '^\s*(/\*.*?\*/\s*)*(copy|vacuum|analyze|reindex|create|alter|drop|cluster|refresh|call|do)\y'
         GROUP BY queryid
        HAVING sum(calls) >= 20) AS often
 WHERE by_total <= 50 OR by_mean <= 10
 ORDER BY total_ms / calls DESC
