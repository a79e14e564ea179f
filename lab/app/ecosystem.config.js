'use strict';
/* Both processes with production's settings, and a nightly job; their environment comes from .env in the same folder. */

const fs = require('fs');
const path = require('path');

function environment() {
  const lines = fs.readFileSync(path.join(__dirname, '.env'), 'utf8').split('\n').filter((line) => line.includes('='));
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

function app(name) {
  return {
    name: `meta-chat-${name}`,
    script: `./${name}.js`,
    cwd: __dirname,
    exec_mode: 'fork',
    instances: 1,
    max_memory_restart: '500M',
    max_restarts: 10,
    min_uptime: '10s',
    log_date_format: 'YYYY-MM-DD HH:mm:ss Z',
    out_file: path.join(__dirname, 'logs', `${name}-out.log`),
    error_file: path.join(__dirname, 'logs', `${name}-error.log`),
    merge_logs: true,
    env: environment(),
  };
}

function job(name, cron) {
  return {
    name: `meta-chat-${name}`,
    script: `./${name}.js`,
    cwd: __dirname,
    autorestart: false,
    cron_restart: cron,
    out_file: '/dev/null',
    error_file: '/dev/null',
    env: environment(),
  };
}

module.exports = { apps: [app('api'), app('worker'), job('report', '0 3 * * *')] };
