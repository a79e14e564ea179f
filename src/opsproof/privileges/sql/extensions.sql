-- Which extensions does a database have, which could be created, and which libraries does the server load at its start?
SELECT (SELECT coalesce(json_agg(extname), '[]') FROM pg_extension) AS installed,
       (SELECT coalesce(json_agg(name), '[]') FROM pg_available_extensions) AS available,
       (SELECT setting FROM pg_settings WHERE name = 'shared_preload_libraries') AS preloaded,
       current_setting('server_version_num')::int / 10000 AS major
