'use strict';
/* meta-chat-worker: a heartbeat and some database work every five seconds; consumes the queues if RabbitMQ is real. */

const consumer = require('./consumer');
const database = require('./database');
const faults = require('./faults');
const log = require('./log');
const services = require('./services');
const stream = require('./stream');

const SCOPE = 'Worker';
const BEAT_MS = 5000;
const TENANTS = 200;
const TOUCH = `
  UPDATE conversations SET "updatedAt" = now() AT TIME ZONE 'UTC'
   WHERE id = (SELECT id FROM conversations ORDER BY "lastMessageAt" DESC LIMIT 1)`;

let beats = 0;

function tenant() {
  return `ten${String((beats % TENANTS) + 1).padStart(5, '0')}`;
}

async function beat() {
  beats += 1;
  try {
    const { rowCount } = await database.asTenant(tenant(), (client) => client.query(TOUCH));
    log.info([SCOPE], { tenantId: tenant(), conversations: rowCount, uptime: Math.round(process.uptime()) }, 'Heartbeat');
  } catch (error) {
    log.error([SCOPE], { err: { type: error.name, message: error.message || error.code } }, 'Heartbeat failed');
  }
}

/** Processes a message that is dead-lettered, for the fault "errors_per_second". */
function fail() {
  const queue = `tenant.${tenant()}.channel.whatsapp.inbound.queue`;
  const fields = { queue, routingKey: `${queue}.dlq`, error: `Channel whatsapp not configured for tenant ${tenant()}` };
  log.error(['QueueConsumer'], fields, 'Message moved to DLQ');
}

function stop(signal) {
  log.info([SCOPE], { signal }, 'Shutting down');
  setTimeout(() => process.exit(0), 50);
}

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, stop);
faults.watch('worker', SCOPE, log, fail);
log.info([SCOPE], {}, 'Worker started');
if (services.isReal('rabbitmq')) {
  consumer.start();
  stream.start();
}
setInterval(beat, BEAT_MS);
beat();
