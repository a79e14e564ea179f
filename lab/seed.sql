-- Deterministic data dated around the time of seeding: only dates differ between labs.

SELECT setseed(0.4213);
SET maintenance_work_mem = '256MB';
SET synchronous_commit = off;

-- Partitions from three months ago to two months ahead.
DO $$
DECLARE
    parent text;
    month timestamp;
BEGIN
    FOREACH parent IN ARRAY ARRAY['messages', 'api_logs']
    LOOP
        FOR month IN
            SELECT generate_series(date_trunc('month', now() AT TIME ZONE 'UTC') - interval '3 months',
                                   date_trunc('month', now() AT TIME ZONE 'UTC') + interval '2 months', '1 month')
        LOOP
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                           parent || to_char(month, '_YYYY_MM'), parent, month, month + interval '1 month');
        END LOOP;
    END LOOP;
END
$$;

CREATE FUNCTION pg_temp.ago(days double precision) RETURNS timestamp LANGUAGE sql STABLE AS
    $$ SELECT (now() AT TIME ZONE 'UTC') - days * interval '1 day' $$;
CREATE FUNCTION pg_temp.tenant(number bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$ SELECT 'ten' || lpad((1 + number % 200)::text, 5, '0') $$;

INSERT INTO tenants (id, name, "createdAt", "updatedAt")
SELECT pg_temp.tenant(n - 1), 'Tenant ' || n, pg_temp.ago(400 - n), pg_temp.ago(n % 30) FROM generate_series(1, 200) n;

INSERT INTO channels (id, "tenantId", type, "createdAt")
SELECT 'chn' || lpad(n::text, 5, '0'), pg_temp.tenant(n), (ARRAY['whatsapp', 'messenger', 'webchat'])[1 + n / 200],
       pg_temp.ago(200)
  FROM generate_series(0, 599) n;

INSERT INTO conversations (id, "tenantId", "channelId", "externalUserId", status, "startedAt", "lastMessageAt", "updatedAt")
SELECT 'cnv' || lpad(n::text, 6, '0'), pg_temp.tenant(n), 'chn' || lpad((n % 600)::text, 5, '0'), 'user-' || n,
       (ARRAY['active', 'active', 'closed'])[1 + n % 3], pg_temp.ago(90), pg_temp.ago(n / 100.0), pg_temp.ago(n / 100.0)
  FROM generate_series(0, 1999) n;

INSERT INTO messages (id, "tenantId", "conversationId", direction, content, "timestamp")
SELECT 'msg' || lpad(n::text, 8, '0'), pg_temp.tenant(n % 2000), 'cnv' || lpad((n % 2000)::text, 6, '0'),
       (ARRAY['inbound', 'outbound'])[1 + n % 2], 'Message ' || n || ' ' || md5(n::text), pg_temp.ago(88 * random())
  FROM generate_series(0, 49999) n;

INSERT INTO api_logs (id, "tenantId", method, path, "statusCode", duration_ms, "timestamp")
SELECT 'log' || lpad(n::text, 8, '0'), pg_temp.tenant(n), 'GET', '/api/messages', CASE WHEN n % 500 = 0 THEN 500 ELSE 200 END,
       (5 + 60 * random())::integer, pg_temp.ago(88 * random())
  FROM generate_series(0, 19999) n;

INSERT INTO documents (id, "tenantId", title, "mimeType", size_bytes, "createdAt")
SELECT 'doc' || lpad(n::text, 6, '0'), pg_temp.tenant(n), 'Document ' || n, 'application/pdf', 10000 + n * 17, pg_temp.ago(60)
  FROM generate_series(0, 1999) n;

-- 200 Gaussian clusters: a centre plus two of 500 noise vectors, so that each chunk's vector is unique.
CREATE TEMP TABLE directions AS
SELECT n, array_agg(random_normal(0, CASE WHEN n < 200 THEN 1 ELSE 0.5 END))::vector(256) AS v
  FROM generate_series(0, 699) n, generate_series(1, 256) GROUP BY n;
CREATE UNIQUE INDEX ON directions (n);
ANALYZE directions;

INSERT INTO chunks (id, "tenantId", "documentId", content, embedding, metadata, position, "createdAt")
SELECT 'chk' || lpad(k::text, 6, '0'), pg_temp.tenant(k / 10), 'doc' || lpad((k / 10)::text, 6, '0'),
       'Chunk ' || k || ' ' || repeat(md5(k::text), 8), centre.v + one.v + two.v, jsonb_build_object('page', k % 10), k % 10,
       pg_temp.ago(60)
  FROM generate_series(0, 19999) k
  JOIN directions centre ON centre.n = k * 7919 % 200
  JOIN directions one ON one.n = 200 + k % 500
  JOIN directions two ON two.n = 200 + k / 500 * 13 % 500;

CREATE INDEX chunks_embedding_ivfflat_idx ON chunks USING ivfflat (embedding vector_cosine_ops) WITH (lists = '20');

INSERT INTO events (id, "tenantId", type, "createdAt")
SELECT 'evt' || lpad(n::text, 6, '0'), pg_temp.tenant(n), 'message.received', pg_temp.ago(30 * random())
  FROM generate_series(0, 4999) n;

INSERT INTO webhooks (id, "tenantId", url, "createdAt")
SELECT 'whk' || lpad(n::text, 4, '0'), pg_temp.tenant(n), 'https://hooks.example/' || n, pg_temp.ago(100)
  FROM generate_series(0, 49) n;

INSERT INTO tenant_users (id, "tenantId", email, role, "createdAt")
SELECT 'usr' || lpad(n::text, 5, '0'), pg_temp.tenant(n), 'user' || n || '@tenant.example',
       (ARRAY['admin', 'agent', 'viewer'])[1 + n / 200], pg_temp.ago(150)
  FROM generate_series(0, 599) n;

INSERT INTO analytics_daily ("tenantId", day, message_count, avg_response_ms)
SELECT pg_temp.tenant(n), (pg_temp.ago(d))::date, (50 * random())::integer, 200 + 100 * random()
  FROM generate_series(0, 199) n, generate_series(1, 30) d;

-- Active keys were rotated less than 90 days ago; only the revoked key is older.
INSERT INTO admin_keys (id, name, "hashedSecret", status, "lastUsedAt", "rotatedAt", "createdAt", "updatedAt", "createdBy",
                        "revokedAt", "revokedBy")
SELECT 'key' || n, name, 'scrypt$' || md5(name), status::"AdminKeyStatus", pg_temp.ago(used), pg_temp.ago(rotated),
       pg_temp.ago(created), pg_temp.ago(coalesce(rotated, created)), 'seed', pg_temp.ago(revoked),
       CASE WHEN revoked IS NOT NULL THEN 'seed' END
  FROM (VALUES (1, 'dashboard', 'active', 0.1, 5, 400, NULL::integer),
               (2, 'billing', 'active', 1, 30, 250, NULL),
               (3, 'support', 'active', 2, NULL, 20, NULL),
               (4, 'reporting', 'active', 3, 60, 700, NULL),
               (5, 'deployment', 'active', 0.5, NULL, 45, NULL),
               (6, 'legacy-import', 'revoked', 250, NULL, 500, 240))
       AS key (n, name, status, used, rotated, created, revoked);

ANALYZE;
