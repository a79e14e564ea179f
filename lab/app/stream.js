'use strict';
/*
 * Reads the stream "events" by RabbitMQ's stream protocol:
 * https://github.com/rabbitmq/rabbitmq-server/blob/main/deps/rabbitmq_stream/docs/PROTOCOL.adoc
 *
 * The server sends a chunk of messages for each credit. Fault switch: {"read": false} gives no further credit.
 */

const net = require('net');

const faults = require('./faults');

const STREAM = 'events';
const PORT = 5552;
const AGAIN_MS = 500;
const OK = 1;
const NEW_MESSAGES = 3;
const RESPONSE = 0x8000;
const SUBSCRIBE = 7, DELIVER = 8, CREDIT = 9, METADATA_UPDATE = 16, PEER_PROPERTIES = 17, HANDSHAKE = 18, AUTHENTICATE = 19,
  TUNE = 20, OPEN = 21, CLOSE = 22;
const EMPTY_LIST = number(0, 4);
const SUBSCRIPTION = number(0, 1);

let socket = null;
let timer = null;
let owed = 0;

function number(value, bytes) {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntBE(value, 0, bytes);
  return buffer;
}

function text(value, lengthBytes = 2) {
  const bytes = Buffer.from(value);
  return Buffer.concat([number(bytes.length, lengthBytes), bytes]);
}

function send(key, ...content) {
  const frame = Buffer.concat([number(key, 2), number(1, 2), ...content]);
  socket.write(Buffer.concat([number(frame.length, 4), frame]));
}

function request(key, ...content) {
  send(key, number(key, 4), ...content);
}

function plain() {
  const { username, password } = new URL(process.env.RABBITMQ_URL);
  return text(`\0${username}\0${password}`, 4);
}

function tune() {
  send(RESPONSE | TUNE, number(0, 4), number(0, 4)); // no limit of frames, no heartbeat
  request(OPEN, text('/'));
}

function later(step) {
  clearTimeout(timer);
  timer = setTimeout(step, AGAIN_MS);
}

function subscribe() {
  request(SUBSCRIBE, SUBSCRIPTION, text(STREAM), number(NEW_MESSAGES, 2), number(1, 2), EMPTY_LIST);
}

/** The stream is deleted or not yet declared. The connection stays: RabbitMQ lists no consumers while one opens. */
function subscribeLater() {
  owed = 0;
  later(subscribe);
}

function credit() {
  if (!owed || faults.now().read === false) return;
  send(CREDIT, SUBSCRIPTION, number(owed, 2));
  owed = 0;
}

function delivered() {
  owed += 1;
  credit();
}

const leave = () => socket.destroy();

/** The reaction to each frame of the server, by key. */
const REACTIONS = {
  [RESPONSE | PEER_PROPERTIES]: () => request(HANDSHAKE),
  [RESPONSE | HANDSHAKE]: () => request(AUTHENTICATE, text('PLAIN'), plain()),
  [TUNE]: tune,
  [RESPONSE | OPEN]: subscribe,
  [DELIVER]: delivered,
  [METADATA_UPDATE]: subscribeLater,
  [CLOSE]: leave,
};

function react(frame) {
  const key = frame.readUInt16BE(0);
  const refused = key & RESPONSE && key !== (RESPONSE | CREDIT) && frame.readUInt16BE(8) !== OK;
  if (refused) (key === (RESPONSE | SUBSCRIBE) ? subscribeLater : leave)();
  else if (REACTIONS[key]) REACTIONS[key]();
}

function connect() {
  let rest = Buffer.alloc(0);
  owed = 0;
  socket = net.connect(PORT, new URL(process.env.RABBITMQ_URL).hostname, () => request(PEER_PROPERTIES, EMPTY_LIST));
  socket.on('error', () => {});
  socket.on('close', () => later(connect));
  socket.on('data', (data) => {
    rest = Buffer.concat([rest, data]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE(0)) {
      const end = 4 + rest.readUInt32BE(0);
      react(rest.subarray(4, end));
      rest = rest.subarray(end);
    }
  });
}

/** Reads until the process ends; connects again after a loss. */
function start() {
  connect();
  setInterval(credit, AGAIN_MS);
}

module.exports = { STREAM, start };
