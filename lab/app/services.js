'use strict';
/* Whether database, Redis and RabbitMQ answer. LAB_SERVICES names those of the latter two that there are; the embedded
 * lab has neither, and there they count as up. */

const database = require('./database');
const rabbitmq = require('./rabbitmq');
const redis = require('./redis');

const REAL = (process.env.LAB_SERVICES || '').split(',');

const isReal = (name) => REAL.includes(name);

async function state(name, service) {
  return isReal(name) ? service.ping().then(() => 'up', () => 'down') : 'up';
}

/** All asked at the same time: the slowest decides how long it takes. */
async function states() {
  const [first, second, third] = await Promise.all([
    database.ping().then(() => 'up', () => 'down'),
    state('redis', redis),
    state('rabbitmq', rabbitmq),
  ]);
  return { database: first, redis: second, rabbitmq: third };
}

module.exports = { isReal, states };
