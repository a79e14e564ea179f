'use strict';
/*
 * The fault switches of a process, read from faults.json in the same folder. No file: healthy.
 *
 * {"process": "api" | "worker"} restricts all switches to a process; by default "crash" and "hog_mb" apply to the
 * worker, all else to both.
 */

const fs = require('fs');
const path = require('path');

const FILE = path.join(__dirname, 'faults.json');
const OF_WORKER = ['crash', 'hog_mb'];
const STARTED = Date.now();

let role = 'api';
let hog = null;

/** The current switches; a partially written file is ignored. */
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

/** Allocates and touches that much memory, or frees it. */
function hold(megabytes) {
  if (!megabytes) hog = null;
  else if (!hog || hog.length !== megabytes) {
    hog = Array.from({ length: megabytes }, () => Buffer.alloc(1048576, 1));
  }
}

/** Runs every second: applies the switches that concern no request. `log` is ./log, `fail` makes a failing request. */
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
