// Prints what a PM2 daemon runs and what its saved list would resurrect, without secrets.
// Argument: PM2_HOME. Talks to the daemon's own socket: the pm2 command starts a daemon where none runs.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const net = require('net');
const path = require('path');

const home = path.resolve(process.argv[1]);

// The daemon's messages are frames of the AMP protocol, each argument prefixed with its type.
function encode(args) {
  const parts = args.map((arg) => Buffer.from(typeof arg === 'string' ? `s:${arg}` : `j:${JSON.stringify(arg)}`));
  const head = Buffer.from([(1 << 4) | parts.length]);
  return Buffer.concat([head, ...parts.flatMap((part) => [length(part), part])]);
}

function length(part) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(part.length);
  return bytes;
}

function decode(frame) {
  const args = [];
  for (let at = 1, left = frame.length && frame[0] & 0xf; left > 0; left--) {
    if (at + 4 > frame.length) return null;
    const end = at + 4 + frame.readUInt32BE(at);
    if (end > frame.length) return null;
    args.push(frame.toString('utf8', at + 4, end));
    at = end;
  }
  return args.length ? args : null;
}

// The message of JSON.parse quotes what it could not read, secrets and all.
function parsed(text, source) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${source} is not JSON`);
  }
}

function call(method) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(path.join(home, 'rpc.sock'));
    let received = Buffer.alloc(0);
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`the PM2 daemon closed the connection at ${method}`)));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      const args = decode(received);
      if (args === null) return;
      try {
        const { error, args: values } = parsed(args[0].slice(2), `the PM2 daemon's answer to ${method}`);
        error ? reject(new Error(error)) : resolve(values[0]);
      } catch (error) {
        reject(error);
      }
      socket.destroy();
    });
    socket.write(encode([{ type: 'call', method, args: [{}] }, `${process.pid}:0`]));
  });
}

function program(name) {
  const folder = process.env.PATH.split(':').find((each) => fs.existsSync(path.join(each, name)));
  if (folder === undefined) throw new Error(`${name} is not in the search path`);
  return fs.realpathSync(path.join(folder, name));
}

function toolVersion() {
  return JSON.parse(fs.readFileSync(path.join(program('pm2'), '..', '..', 'package.json'), 'utf8')).version;
}

// The list has each process's settings in pm2_env, the saved file has them at the top.
// Arguments may hold secrets: a digest is enough to compare them.
function shape(settings) {
  return {
    name: settings.name,
    script: settings.pm_exec_path,
    folder: settings.pm_cwd,
    arguments: crypto.createHash('sha256').update([].concat(settings.args || []).join(' ')).digest('hex'),
    mode: settings.exec_mode,
  };
}

function running(entry) {
  const env = entry.pm2_env;
  return {
    ...shape({ ...env, name: entry.name }),
    pid: entry.pid,
    status: env.status,
    restarts: env.restart_time,
    started_ms: env.pm_uptime,
    memory_bytes: entry.monit.memory,
    module: Boolean(env.pmx_module),
  };
}

function saved() {
  try {
    const text = fs.readFileSync(path.join(home, 'dump.pm2'), 'utf8');
    return parsed(text, 'the saved list dump.pm2').filter((each) => !each.pmx_module).map(shape);
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
}

async function daemon() {
  try {
    const [processes, version] = await Promise.all([call('getMonitorData'), call('getVersion')]);
    const started_ms = fs.statSync(path.join(home, 'pm2.pid')).mtimeMs;
    return { version, started_ms, processes: processes.map(running) };
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') return null;
    throw error;
  }
}

async function main() {
  fs.readdirSync(home);
  const found = { daemon: await daemon(), saved: saved(), tool_version: toolVersion() };
  process.stdout.write(JSON.stringify(found) + '\n');
}

main().catch((error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
