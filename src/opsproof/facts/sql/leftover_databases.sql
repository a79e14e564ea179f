-- Which databases did drills and restores of the current database leave on the server, and how old are they?
SELECT datname, CASE WHEN datconnlimit <> -2 THEN pg_database_size(oid) ELSE 0 END,
       extract(EPOCH FROM now() - to_timestamp(right(datname, 16), 'YYYYMMDD"T"HH24MISS'))::float8
  FROM pg_database
 WHERE left(datname, length(current_database())) = current_database()
   AND substr(datname, length(current_database()) + 1) ~ '^_(drill|restoring|before)_[0-9]{8}T[0-9]{6}Z$'
 ORDER BY 3 DESC
