'use strict';
/* The four health routes, with two JSON shapes as in production. */

const os = require('os');
const database = require('./database');
const faults = require('./faults');
const services = require('./services');

const MEGABYTE = 1048576;

/** The state of each service, overridden by the fault "services". */
async function found() {
  return { ...(await services.states()), ...faults.now().services };
}

function verdict(states) {
  const down = states.filter((state) => state !== 'up').length;
  if (down === 0) return 'healthy';
  return down === states.length ? 'unhealthy' : 'degraded';
}

/** Always answers 200, even if unhealthy. */
async function health() {
  const states = await found();
  const forced = faults.now().health;
  if (forced === 'degraded') states.database = 'down';
  if (forced === 'unhealthy') for (const name of Object.keys(states)) states[name] = 'down';
  return { statusCode: 200, body: { status: verdict(Object.values(states)), services: states, timestamp: new Date().toISOString() } };
}

function processState() {
  const used = Math.round(process.memoryUsage().rss / MEGABYTE);
  const total = Math.round(os.totalmem() / MEGABYTE);
  return {
    memory: { used, total, percentage: Number(((used / total) * 100).toFixed(2)) },
    process: { pid: process.pid, uptime: Math.round(process.uptime()), version: process.version },
  };
}

/** Answers 503 with `errors` if the database is down. */
async function apiHealth() {
  const errors = [];
  const state = await database.ping().then((latency) => ({ status: 'up', latency }), (error) => {
    errors.push(`Database: ${error.message || error.code}`);
    return { status: 'down' };
  });
  const forced = faults.now().api_health;
  if (forced === 'degraded' || forced === 'unhealthy') errors.push(`fault: api_health is ${forced}`);
  const status = errors.length === 0 ? 'healthy' : forced || 'unhealthy';
  const body = { status, timestamp: new Date().toISOString(), uptime: Number(process.uptime().toFixed(1)), services: { database: state, ...processState() } };
  return { statusCode: errors.length ? 503 : 200, body: errors.length ? { ...body, errors } : body };
}

function live() {
  const fine = faults.now().live !== false;
  return { statusCode: fine ? 200 : 503, body: { status: fine ? 'alive' : 'dead', timestamp: new Date().toISOString() } };
}

async function ready() {
  const fine = faults.now().ready !== false && (await database.ping().then(() => true, () => false));
  return { statusCode: fine ? 200 : 503, body: { status: fine ? 'ready' : 'not ready', timestamp: new Date().toISOString() } };
}

module.exports = { health, apiHealth, live, ready };
