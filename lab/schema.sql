-- The platform's tables in miniature: quoted camelCase columns, months as partitions, forced row-level security.
-- Timestamps are without time zone, in UTC.

CREATE EXTENSION vector;
CREATE EXTENSION pg_stat_statements;
CREATE EXTENSION pgstattuple;
CREATE EXTENSION amcheck;

CREATE TYPE "AdminKeyStatus" AS ENUM ('active', 'expired', 'revoked');

CREATE TABLE tenants (
    id text PRIMARY KEY,
    name text NOT NULL,
    status text NOT NULL DEFAULT 'active',
    settings jsonb NOT NULL DEFAULT '{}',
    "createdAt" timestamp(3) NOT NULL,
    "updatedAt" timestamp(3) NOT NULL
);

CREATE TABLE channels (
    id text PRIMARY KEY,
    "tenantId" text NOT NULL REFERENCES tenants (id),
    type text NOT NULL,
    status text NOT NULL DEFAULT 'active',
    "createdAt" timestamp(3) NOT NULL
);

CREATE TABLE conversations (
    id text PRIMARY KEY,
    "tenantId" text NOT NULL REFERENCES tenants (id),
    "channelId" text NOT NULL REFERENCES channels (id),
    "externalUserId" text NOT NULL,
    status text NOT NULL DEFAULT 'active',
    "startedAt" timestamp(3) NOT NULL,
    "lastMessageAt" timestamp(3) NOT NULL,
    "updatedAt" timestamp(3) NOT NULL
);

CREATE TABLE messages (
    id text NOT NULL,
    "tenantId" text NOT NULL,
    "conversationId" text NOT NULL,
    direction text NOT NULL,
    content text NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    "timestamp" timestamp(3) NOT NULL,
    PRIMARY KEY (id, "timestamp")
) PARTITION BY RANGE ("timestamp");

CREATE TABLE api_logs (
    id text NOT NULL,
    "tenantId" text NOT NULL,
    method text NOT NULL,
    path text NOT NULL,
    "statusCode" integer NOT NULL,
    duration_ms integer NOT NULL,
    "timestamp" timestamp(3) NOT NULL,
    PRIMARY KEY (id, "timestamp")
) PARTITION BY RANGE ("timestamp");

CREATE TABLE documents (
    id text PRIMARY KEY,
    "tenantId" text NOT NULL REFERENCES tenants (id),
    title text NOT NULL,
    "mimeType" text NOT NULL,
    size_bytes bigint NOT NULL,
    "createdAt" timestamp(3) NOT NULL
);

CREATE TABLE chunks (
    id text PRIMARY KEY,
    "tenantId" text NOT NULL,
    "documentId" text NOT NULL,
    content text NOT NULL,
    embedding vector(256),
    metadata jsonb,
    position integer NOT NULL,
    "createdAt" timestamp(3) NOT NULL
);
ALTER TABLE chunks ALTER COLUMN embedding SET STORAGE EXTERNAL;

CREATE TABLE events (
    id text PRIMARY KEY,
    "tenantId" text NOT NULL,
    type text NOT NULL,
    payload jsonb NOT NULL DEFAULT '{}',
    "createdAt" timestamp(3) NOT NULL
);

CREATE TABLE webhooks (
    id text PRIMARY KEY,
    "tenantId" text NOT NULL,
    url text NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    "createdAt" timestamp(3) NOT NULL
);

CREATE TABLE admin_keys (
    id text PRIMARY KEY,
    name text NOT NULL,
    "hashedSecret" text NOT NULL,
    status "AdminKeyStatus" NOT NULL DEFAULT 'active',
    "expiresAt" timestamp(3),
    "lastUsedAt" timestamp(3),
    "rotatedAt" timestamp(3),
    "rotatedBy" text,
    "createdAt" timestamp(3) NOT NULL,
    "updatedAt" timestamp(3) NOT NULL,
    "createdBy" text,
    "revokedAt" timestamp(3),
    "revokedBy" text,
    metadata jsonb
);

CREATE TABLE tenant_users (
    id text PRIMARY KEY,
    "tenantId" text NOT NULL REFERENCES tenants (id),
    email text NOT NULL,
    role text NOT NULL,
    "createdAt" timestamp(3) NOT NULL
);

CREATE TABLE analytics_daily (
    "tenantId" text NOT NULL,
    day date NOT NULL,
    message_count integer NOT NULL,
    avg_response_ms double precision NOT NULL,
    PRIMARY KEY ("tenantId", day)
);

CREATE INDEX channels_tenant_idx ON channels ("tenantId");
CREATE INDEX "conversations_tenantId_lastMessageAt_idx" ON conversations ("tenantId", "lastMessageAt" DESC);
CREATE INDEX "messages_tenantId_timestamp_idx" ON messages ("tenantId", "timestamp" DESC);
CREATE INDEX "messages_conversationId_timestamp_idx" ON messages ("conversationId", "timestamp");
CREATE INDEX "api_logs_tenantId_timestamp_idx" ON api_logs ("tenantId", "timestamp" DESC);
CREATE INDEX "documents_tenantId_idx" ON documents ("tenantId");
CREATE INDEX "chunks_tenantId_documentId_idx" ON chunks ("tenantId", "documentId");
CREATE INDEX "events_tenantId_createdAt_idx" ON events ("tenantId", "createdAt");
CREATE UNIQUE INDEX "tenant_users_tenantId_email_key" ON tenant_users ("tenantId", email);

DO $$
DECLARE
    name text;
    owner text;
BEGIN
    FOREACH name IN ARRAY ARRAY['tenants', 'channels', 'conversations', 'messages', 'documents', 'chunks', 'webhooks',
                                'events', 'api_logs']
    LOOP
        owner := CASE name WHEN 'tenants' THEN 'id' ELSE 'tenantId' END;
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY tenant_isolation ON %I USING (%I = current_setting(''app.tenant_id'', true))',
                       name, owner);
    END LOOP;
END
$$;

CREATE ROLE metachat_app LOGIN;
CREATE ROLE opsproof_monitor LOGIN IN ROLE pg_monitor;
ALTER ROLE opsproof_monitor SET default_transaction_read_only = on;
ALTER ROLE opsproof_monitor SET statement_timeout = '10s';
ALTER ROLE opsproof_monitor SET lock_timeout = '1s';

-- Dumps all tenants' rows, bypassing the policies. Needs no password over the local socket.
CREATE ROLE opsproof_load LOGIN;
CREATE ROLE opsproof_backup LOGIN BYPASSRLS IN ROLE pg_read_all_data;
ALTER ROLE opsproof_backup SET default_transaction_read_only = on;

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO metachat_app;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO opsproof_monitor;
GRANT SELECT (starelid, staattnum, stainherit, stanullfrac, stawidth, stadistinct) ON pg_statistic TO opsproof_monitor;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON SEQUENCES TO opsproof_monitor;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO opsproof_monitor;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO metachat_app;
-- The monitor reads the age of a key, never the hash.
REVOKE SELECT ON admin_keys FROM opsproof_monitor;
GRANT SELECT (id, name, status, "expiresAt", "lastUsedAt", "rotatedAt", "createdAt", "updatedAt", "revokedAt")
    ON admin_keys TO opsproof_monitor;
GRANT EXECUTE ON FUNCTION bt_index_check(regclass), bt_index_check(regclass, boolean),
    bt_index_check(regclass, boolean, boolean), bt_index_parent_check(regclass) TO opsproof_monitor;
