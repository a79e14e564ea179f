'use strict';
/*
 * What a client of RabbitMQ does, with the application's own login and library; `node -` reads it in the application's folder.
 *
 *   declare QUEUE           makes a queue
 *   publish QUEUE COUNT     sends messages into one
 *   hold QUEUE COUNT        takes so many messages out of one, confirms none, and stays until the queue is deleted
 *   purge QUEUE...          empties queues
 *   delete QUEUE...         deletes queues
 */

const [action, queue, count] = process.argv.slice(2);

async function hold(connection, channel) {
  await channel.prefetch(Number(count));
  await channel.consume(queue, (message) => { if (!message) connection.close(); });
}

async function each(names, act) {
  for (const name of names) await act(name);
}

async function main() {
  const connection = await require('amqplib').connect(process.env.RABBITMQ_URL);
  const channel = await connection.createConfirmChannel();
  if (action === 'hold') return hold(connection, channel);
  if (action === 'declare') await channel.assertQueue(queue, { durable: true });
  if (action === 'publish') for (let n = 0; n < Number(count); n += 1) channel.sendToQueue(queue, Buffer.from('Hello'));
  if (action === 'purge') await each(process.argv.slice(3), (name) => channel.purgeQueue(name));
  if (action === 'delete') await each(process.argv.slice(3), (name) => channel.deleteQueue(name));
  await channel.waitForConfirms();
  return connection.close();
}

main();
