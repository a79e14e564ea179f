'use strict';
/* Connections to RabbitMQ. */

const amqp = require('amqplib');

const PATIENCE_MS = 5000;
// Production never closes what a health check opened. Here it is closed some time later, so that it does not pile up.
const KEPT_MS = 60000;

/** A connection that does not end the process when it is lost; rejects after five seconds. */
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

/** Opens a connection and an exclusive queue, as production does for each health check. */
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
