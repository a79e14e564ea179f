-- Which partitioned tables, vector indexes, settings, superusers and standbys does a database have?
SELECT (SELECT coalesce(json_agg(json_build_object(
                    'table', format('%s.%s', nspname, p.relname), 'strategy', partstrat,
                    'bounds', (SELECT json_agg(pg_get_expr(c.relpartbound, c.oid) ORDER BY c.oid)
                                 FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
                                WHERE inhparent = partrelid AND c.oid <> partdefid)) ORDER BY nspname, p.relname), '[]')
          FROM pg_partitioned_table JOIN pg_class p ON p.oid = partrelid JOIN pg_namespace n ON n.oid = p.relnamespace
         WHERE NOT p.relispartition) AS partitioned,
       (SELECT coalesce(json_agg(json_build_object(
                    'index', i.relname, 'table', format('%s.%s', nspname, t.relname), 'method', amname,
                    'column', (SELECT attname FROM pg_attribute
                                WHERE attrelid = t.oid AND attnum = x.indkey[0] AND x.indkey[0] > 0),
                    'class', opcname, 'valid', indisvalid) ORDER BY i.relname), '[]')
          FROM pg_index x JOIN pg_class i ON i.oid = indexrelid JOIN pg_class t ON t.oid = indrelid
          JOIN pg_namespace n ON n.oid = t.relnamespace JOIN pg_am a ON a.oid = i.relam
          JOIN pg_opclass o ON o.oid = x.indclass[0]
         WHERE amname IN ('ivfflat', 'hnsw') AND NOT t.relispartition) AS vectors,
       (SELECT coalesce(json_agg(setting ORDER BY setting), '[]')
          FROM pg_db_role_setting, unnest(setconfig) AS setting
         WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
           AND setting ~ '^(ivfflat|hnsw)[.]') AS settings,
       (SELECT coalesce(json_agg(rolname ORDER BY rolname), '[]')
          FROM pg_roles WHERE rolsuper AND rolcanlogin) AS superusers,
       (SELECT coalesce(json_agg(DISTINCT application_name), '[]') FROM pg_stat_replication) AS standbys,
       current_setting('archive_mode') <> 'off' AS archived,
       current_database() AS name
