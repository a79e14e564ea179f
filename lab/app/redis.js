'use strict';
/* A ping of Redis, like a client that keeps reconnecting and waits for an answer without a timeout. */

const net = require('net');

const PATIENCE_MS = 5000;
const PAUSE_MS = 500;

const pause = () => new Promise((resolve) => { setTimeout(resolve, PAUSE_MS); });

function attempt({ hostname, port, password }) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(Number(port), hostname, () => socket.write(`AUTH ${password}\r\nPING\r\n`));
    let answer = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk) => {
      answer += chunk;
      if (answer.includes('+PONG')) resolve();
      if (answer.includes('+PONG') || answer.includes('-')) socket.destroy();
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('connection closed')));
  });
}

/** Rejects after five seconds without a connection. Waits forever if Redis accepts the connection but is silent. */
async function ping() {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await attempt(new URL(process.env.REDIS_URL));
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await pause();
    }
  }
}

module.exports = { ping };
