'use strict';
/*
 * The fault switches of one process, read from faults.json beside this file. No file: healthy.
 *
 * {"process": "api" | "worker"} restricts all switches to one process; without it "crash" and "hog_mb" mean the worker
 * and everything else means both.
 */

const fs = require('fs');
const path = require('path');

const FILE = path.join(__dirname, 'faults.json');
const OF_WORKER = ['crash', 'hog_mb'];
const STARTED = Date.now();

let role = 'api';
let hog = null;

/** The switches as they are now; a half-written file counts as none. */
function now() {
  let all;
  try {
    all = JSON.parse(fs.readFileSync(FILE, 'utf8'));
  } catch {
    return {};
  }
  if (all.process) return all.process === role ? all : {};
  if (role === 'api') for (const name of OF_WORKER) delete all[name];
  return all;
}

function crash() {
  process.stderr.write(`${new Error('fault: crash switched on').stack}\n`, () => process.exit(1));
}

/** Holds that much touched memory, or lets go of it. */
function hold(megabytes) {
  if (!megabytes) hog = null;
  else if (!hog || hog.length !== megabytes) {
    hog = Array.from({ length: megabytes }, () => Buffer.alloc(1048576, 1));
  }
}

/** Once a second: applies the switches that are not about one request. `log` is ./log, `fail` makes one failed request. */
function watch(name, scope, log, fail) {
  role = name;
  setInterval(() => {
    const fault = now();
    if (fault.crash && Date.now() - STARTED >= 900) crash();
    hold(fault.hog_mb);
    if (fault.fatal) log.fatal([scope], { err: { type: 'Error', message: 'fault: fatal switched on' } }, 'Unrecoverable error');
    for (let n = fault.flood_per_second || 0; n > 0; n -= 1) log.warn([scope], {}, 'Channel closed, message not acknowledged');
    for (let n = fault.errors_per_second || 0; n > 0; n -= 1) fail();
  }, 1000);
}

module.exports = { now, watch };
