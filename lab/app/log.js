'use strict';
/* Log lines as in production: a JSON object per line, with the key "scope" repeated for each nested scope. */

const os = require('os');
const faults = require('./faults');

const HOST = os.hostname();

/** A log line, built by hand because keys can repeat. */
function format(level, scopes, fields, message) {
  const pairs = [['level', level], ['time', new Date().toISOString()], ['pid', process.pid], ['hostname', HOST]];
  for (const scope of scopes) pairs.push(['scope', scope]);
  pairs.push(...Object.entries(fields), ['message', message]);
  return `{${pairs.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`;
}

/** Writes a line to stdout, unless the fault "silent" is on. */
function write(level, scopes, fields, message) {
  if (!faults.now().silent) process.stdout.write(`${format(level, scopes, fields, message)}\n`);
}

module.exports = {
  write,
  info: (scopes, fields, message) => write('INFO', scopes, fields, message),
  warn: (scopes, fields, message) => write('WARN', scopes, fields, message),
  error: (scopes, fields, message) => write('ERROR', scopes, fields, message),
  fatal: (scopes, fields, message) => write('FATAL', scopes, fields, message),
};
