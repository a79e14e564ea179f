'use strict';
/*
 * Consumes the inbound queues of all tenants and channels; rejected messages go to the queue's dead-letter queue.
 *
 * Fault switches: {"reject": true} rejects every message, {"consume": false} drops the consumers, and
 * {"reconnect": false} never reconnects until the process restarts, as in production.
 */

const faults = require('./faults');
const log = require('./log');
const rabbitmq = require('./rabbitmq');
const { STREAM } = require('./stream');

const SCOPE = 'QueueConsumer';
const LOOK_MS = 250;
const TENANTS = 18;
const CHANNELS = ['whatsapp', 'messenger', 'webchat'];
const QUEUES = Array.from({ length: TENANTS }, (_, index) => `ten${String(index + 1).padStart(5, '0')}`)
  .flatMap((tenant) => CHANNELS.map((channel) => `tenant.${tenant}.channel.${channel}.inbound.queue`));

let channel = null;
let consumers = [];
let lost = false;
let busy = false;

function settle(queue, message) {
  // A cancelled consumer passes null; after a lost connection, messages may belong to a closed channel.
  if (!message || !channel) return;
  if (!faults.now().reject) {
    channel.ack(message);
    return;
  }
  channel.nack(message, false, false);
  log.error([SCOPE], { queue, routingKey: `${queue}.dlq`, error: 'fault: reject switched on' }, 'Message moved to DLQ');
}

async function declare(opened, queue) {
  const twin = `${queue}.dead-letter`;
  await opened.assertQueue(twin, { durable: true });
  await opened.assertQueue(queue, { durable: true, deadLetterExchange: '', deadLetterRoutingKey: twin });
}

function forget() {
  if (!channel) return;
  channel = null;
  consumers = [];
  lost = faults.now().reconnect === false;
  log.warn([SCOPE], { reconnects: !lost }, 'Connection to RabbitMQ lost');
}

async function open() {
  const connection = await rabbitmq.connect();
  connection.on('close', forget);
  const opened = await connection.createChannel();
  // A channel error closes the channel, for example if a queue is deleted and redeclared with different arguments.
  opened.on('error', () => connection.close().catch(() => {}));
  for (const queue of QUEUES) await declare(opened, queue);
  await opened.assertQueue(STREAM, { durable: true, arguments: { 'x-queue-type': 'stream' } });
  channel = opened;
}

async function consume() {
  const started = await Promise.all(QUEUES.map((queue) => channel.consume(queue, (message) => settle(queue, message))));
  consumers = started.map(({ consumerTag }) => consumerTag);
  log.info([SCOPE], { consumers: consumers.length }, 'Consuming');
}

async function drop() {
  const tags = consumers;
  consumers = [];
  await Promise.all(tags.map((tag) => channel.cancel(tag)));
}

async function look() {
  if (!channel) await open();
  const wanted = faults.now().consume !== false;
  if (wanted && consumers.length === 0) await consume();
  if (!wanted && consumers.length > 0) await drop();
}

/** Runs four times a second: connects if needed, starts or cancels consumers according to the switches. */
function start() {
  setInterval(async () => {
    if (busy || lost) return;
    busy = true;
    await look().catch((error) => log.warn([SCOPE], { error: error.message || error.code }, 'RabbitMQ cannot be reached'));
    busy = false;
  }, LOOK_MS);
}

module.exports = { QUEUES, start };
