'use strict';
/*
 * A RabbitMQ client with the application's login and library; run by `node -` in the application's folder.
 *
 *   declare QUEUE           declares a queue
 *   publish QUEUE COUNT     publishes COUNT messages
 *   hold QUEUE COUNT TAKEN  declares a queue, publishes COUNT messages, consumes TAKEN without acknowledging, and stays
 *                           until the queue is deleted
 *   purge QUEUE...          empties queues
 *   delete QUEUE...         deletes queues
 */

const [action, queue, count, taken] = process.argv.slice(2);

async function publish(channel) {
  for (let n = 0; n < Number(count); n += 1) channel.sendToQueue(queue, Buffer.from('Hello'));
  await channel.waitForConfirms();
}

async function hold(connection, channel) {
  await publish(channel);
  await channel.prefetch(Number(taken));
  await channel.consume(queue, (message) => { if (!message) connection.close(); });
}

async function each(names, act) {
  for (const name of names) await act(name);
}

async function main() {
  const connection = await require('amqplib').connect(process.env.RABBITMQ_URL);
  const channel = await connection.createConfirmChannel();
  if (action === 'declare' || action === 'hold') await channel.assertQueue(queue, { durable: true });
  if (action === 'hold') return hold(connection, channel);
  if (action === 'publish') await publish(channel);
  if (action === 'purge') await each(process.argv.slice(3), (name) => channel.purgeQueue(name));
  if (action === 'delete') await each(process.argv.slice(3), (name) => channel.deleteQueue(name));
  return connection.close();
}

main();
