'use strict';
/* Whether database, Redis and RabbitMQ answer. LAB_SERVICES names the real ones of Redis and RabbitMQ; missing ones, as
 * in the embedded lab, count as up. */

const database = require('./database');
const rabbitmq = require('./rabbitmq');
const redis = require('./redis');

const REAL = (process.env.LAB_SERVICES || '').split(',');

const isReal = (name) => REAL.includes(name);

async function state(name, service) {
  return isReal(name) ? service.ping().then(() => 'up', () => 'down') : 'up';
}

/** Queries all services concurrently: the slowest determines the duration. */
async function states() {
  const [first, second, third] = await Promise.all([
    database.ping().then(() => 'up', () => 'down'),
    state('redis', redis),
    state('rabbitmq', rabbitmq),
  ]);
  return { database: first, redis: second, rabbitmq: third };
}

module.exports = { isReal, states };
