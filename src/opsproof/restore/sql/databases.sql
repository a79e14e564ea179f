-- Which databases are `live` or named after `live`, and what are the server's properties for a restore? (JSON)
SELECT json_build_object(
    'superuser', (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
    'version_num', current_setting('server_version_num')::int,
    'folder', coalesce((SELECT nullif(pg_tablespace_location(dattablespace), '') FROM pg_database
                         WHERE datname = :'live'), current_setting('data_directory')),
    'prepared', (SELECT count(*) FROM pg_prepared_xacts WHERE database = :'live'),
    'at_work', (SELECT count(*) FROM pg_stat_activity
                 WHERE application_name = current_setting('application_name') AND pid <> pg_backend_pid()
                   AND backend_type = 'client backend'),
    'superusers', (SELECT json_agg(rolname ORDER BY rolname) FROM pg_roles WHERE rolsuper),
    'loader_rights', (SELECT concat_ws(', ', CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
                                       CASE WHEN rolcreatedb THEN 'CREATEDB' END, CASE WHEN rolreplication THEN 'REPLICATION' END,
                                       CASE WHEN rolbypassrls THEN 'BYPASSRLS' END, CASE WHEN NOT rolcanlogin THEN 'NOLOGIN' END,
                                       (SELECT string_agg(format('member of %s', pg_get_userbyid(roleid)), ', ' ORDER BY roleid)
                                          FROM pg_auth_members WHERE member = r.oid))
                        FROM pg_roles r WHERE rolname = :'loader'),
    'databases', coalesce((
        SELECT json_agg(json_build_object(
                   'name', datname,
                   'bytes', CASE WHEN datconnlimit <> -2 THEN pg_database_size(oid) ELSE 0 END,
                   'open', datallowconn,
                   'mark', substring(shobj_description(oid, 'pg_database') FROM '^opsproof: ([^\n]*)'),
                   'trusted', (SELECT rolsuper FROM pg_roles WHERE oid = datdba)
                              OR datdba = (SELECT l.datdba FROM pg_database l WHERE l. datname = :'live'),
                   'subscriptions', (SELECT coalesce(json_agg(subname ORDER BY subname), '[]')
                                       FROM pg_subscription WHERE subdbid = d.oid),
                   'slots', (SELECT coalesce(json_agg(slot_name ORDER BY slot_name), '[]')
                               FROM pg_replication_slots WHERE database = datname AND active),
                   'owner', pg_get_userbyid(datdba),
                   'encoding', pg_encoding_to_char(encoding),
                   'collate', datcollate,
                   'ctype', datctype,
                   'provider', to_jsonb(d) ->> 'datlocprovider',
                   'locale', coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'),
                   'rules', to_jsonb(d) ->> 'daticurules',
                   'labels', (SELECT string_agg(format('SECURITY LABEL FOR %I ON DATABASE %I IS %L', provider, datname, label),
                                                '; ' ORDER BY provider)
                                FROM pg_shseclabel WHERE classoid = 'pg_database'::regclass AND objoid = d.oid)))
          FROM pg_database d
         WHERE datname = :'live' OR left(datname, length(:'live') + 1) = :'live' || '_'), '[]'));
