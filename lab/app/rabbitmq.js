'use strict';
/* Connections to RabbitMQ. */

const amqp = require('amqplib');

const PATIENCE_MS = 5000;
// Production never closes a health check's connection. The lab closes it later, so that connections do not pile up.
const KEPT_MS = 60000;

/** A connection whose loss does not end the process; rejects after five seconds. */
async function connect() {
  const connection = await amqp.connect(process.env.RABBITMQ_URL, { timeout: PATIENCE_MS });
  connection.on('error', () => {});
  return connection;
}

async function open() {
  const connection = await connect();
  setTimeout(() => connection.close().catch(() => {}), KEPT_MS).unref();
  const channel = await connection.createChannel();
  channel.on('error', () => {});
  await channel.assertQueue('', { exclusive: true });
}

/** Opens a connection and an exclusive queue, like production for each health check. */
async function ping() {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error('no answer from RabbitMQ')), PATIENCE_MS); });
  try {
    await Promise.race([open(), late]);
  } finally {
    clearTimeout(timer);
  }
}

module.exports = { connect, ping };
