-- Which prepared transactions of this database are neither committed nor rolled back?
SELECT left(gid, 60), owner, extract(EPOCH FROM now() - prepared)::float8 FROM pg_prepared_xacts
 WHERE database = current_database() ORDER BY prepared LIMIT 100
