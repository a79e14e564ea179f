'use strict';
/* meta-chat-api: health, metrics and a few routes reading the database. */

const crypto = require('crypto');
const http = require('http');
const database = require('./database');
const errors = require('./errors');
const faults = require('./faults');
const health = require('./health');
const log = require('./log');
const metrics = require('./metrics');

const SCOPE = 'ApiServer';
const HEARTBEAT_MS = 30000;
const READS = {
  '/api/channels': 'SELECT id, type, status FROM channels ORDER BY id LIMIT 20',
  '/api/conversations': 'SELECT id, status, "lastMessageAt" FROM conversations ORDER BY "lastMessageAt" DESC LIMIT 20',
  '/api/messages': 'SELECT id, direction, "timestamp" FROM messages ORDER BY "timestamp" DESC LIMIT 20',
  '/api/documents': 'SELECT id, title FROM documents ORDER BY id LIMIT 20',
};
const ROUTES = {
  '/health': health.health,
  '/api/health': health.apiHealth,
  '/api/health/live': health.live,
  '/api/health/ready': health.ready,
  '/metrics': () => ({ statusCode: 200, text: metrics.page() }),
  ...Object.fromEntries(Object.entries(READS).map(([path, sql]) => [path, (request) => read(request, sql)])),
};
const SWITCHES = { '/health': 'health', '/api/health': 'api_health' };

const pause = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

async function read(request, sql) {
  const tenant = request.headers['x-tenant-id'];
  if (!tenant) throw errors.unauthorized();
  await pause(faults.now().slow_ms || 0);
  const { rows } = await database.asTenant(tenant, (client) => client.query(sql)).catch((cause) => { throw errors.internal(cause); });
  return { statusCode: 200, body: { success: true, data: rows } };
}

function send(response, { statusCode, body, text, html }) {
  const type = html ? 'text/html; charset=utf-8' : text ? 'text/plain; version=0.0.4; charset=utf-8' : 'application/json; charset=utf-8';
  response.writeHead(statusCode, { 'Content-Type': type });
  response.end(html || text || JSON.stringify(body));
}

/** Closes the connection in the middle of the answer, for the fault "cut". */
function cut(response, { statusCode, body }) {
  const text = JSON.stringify(body);
  response.writeHead(statusCode, { 'Content-Type': 'application/json; charset=utf-8', 'Content-Length': text.length });
  response.write(text.slice(0, -1), () => response.destroy());
}

function refuseHttp(response) {
  const body = { success: false, error: 'HTTPS required', code: 'HTTPS_REQUIRED', timestamp: new Date().toISOString() };
  send(response, { statusCode: 403, body });
}

function failed(ids, error) {
  log.error([SCOPE], { ...ids, err: error }, 'Request failed');
  return { statusCode: error.statusCode, body: { success: false, error: error.message, code: error.name } };
}

async function answer(request, ids) {
  const route = Object.hasOwn(ROUTES, request.path) ? ROUTES[request.path] : null;
  try {
    if (!route || request.method !== 'GET') throw errors.notFound(request.method, request.path);
    return await route(request);
  } catch (error) {
    return failed(ids, error instanceof errors.HttpError ? error : errors.internal(error));
  }
}

function completed(request, ids, statusCode, milliseconds) {
  metrics.observe(request.method, request.path, statusCode, milliseconds / 1000);
  const fields = { ...ids, method: request.method, route: request.path, statusCode, durationMs: milliseconds };
  log.info([SCOPE, `${SCOPE}.Http`], fields, 'HTTP request completed');
}

function newIds() {
  const id = crypto.randomUUID();
  return { requestId: id, correlationId: id };
}

async function handle(request, response) {
  request.path = new URL(request.url, 'http://lab').pathname;
  const fault = faults.now()[SWITCHES[request.path]];
  if (fault === 'hang') return;
  if (fault === 'forbidden' || request.headers['x-forwarded-proto'] !== 'https') return refuseHttp(response);
  if (fault === 'html') return send(response, { statusCode: 200, html: '<!doctype html><title>Maintenance</title><p>Back soon.</p>' });
  const started = process.hrtime.bigint();
  const ids = newIds();
  const result = await answer(request, ids);
  if (fault === 'cut') return cut(response, result);
  send(response, result);
  completed(request, ids, result.statusCode, Number(process.hrtime.bigint() - started) / 1e6);
}

/** Sends a request that fails with 500, for the fault "errors_per_second". */
function fail() {
  const request = { method: 'POST', path: '/api/messages' };
  const ids = newIds();
  const { statusCode } = failed(ids, errors.internal(new Error('fault: errors_per_second switched on')));
  completed(request, ids, statusCode, 12.5);
}

function refuseMalformed(request, response) {
  send(response, { statusCode: 400, body: { success: false, error: 'Malformed request', code: 'BAD_REQUEST' } });
}

const server = http.createServer((request, response) => handle(request, response).catch(() => refuseMalformed(request, response)));

function stop(signal) {
  log.info([SCOPE], { signal }, 'Shutting down');
  server.closeAllConnections?.();
  server.close(() => process.exit(0));
  setTimeout(() => process.exit(0), 500);
}

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, stop);
faults.watch('api', SCOPE, log, fail);
setInterval(() => log.info([SCOPE], { uptime: Math.round(process.uptime()) }, 'Heartbeat'), HEARTBEAT_MS);
server.listen(Number(process.env.PORT), '127.0.0.1', () => log.info([SCOPE], { port: Number(process.env.PORT) }, 'API server listening'));
