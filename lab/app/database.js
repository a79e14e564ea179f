'use strict';
/* The connection pool of metachat_app, a role subject to row-level security. */

const { Pool } = require('pg');

const pool = new Pool({
  connectionString: process.env.DATABASE_URL,
  max: 10,
  connectionTimeoutMillis: 1000,
  query_timeout: 1000,
  idleTimeoutMillis: 30000,
});
// Without a listener, the death of an idle connection would end the process.
pool.on('error', () => {});

/** Duration of a round trip in milliseconds; rejects after 1 s. */
async function ping() {
  const started = process.hrtime.bigint();
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error('timeout after 1000 ms')), 1000); });
  try {
    await Promise.race([pool.query('SELECT 1'), late]);
  } finally {
    clearTimeout(timer);
  }
  return Math.round(Number(process.hrtime.bigint() - started) / 1e6);
}

/** Runs `work(client)` in a transaction limited to a tenant's rows. */
async function asTenant(tenant, work) {
  const client = await pool.connect();
  let broken;
  try {
    await client.query('BEGIN');
    await client.query("SELECT set_config('app.tenant_id', $1, true)", [tenant]);
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    broken = error;
    throw error;
  } finally {
    // Close the connection to end a failed transaction.
    client.release(broken);
  }
}

module.exports = { pool, ping, asTenant };
