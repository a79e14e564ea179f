'use strict';
/* The metrics of the API in the Prometheus text format. */

const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const requests = new Map();

/** Counts an answered request by route, or by path for a 404. */
function observe(method, route, statusCode, seconds) {
  const labels = `method="${method}",route="${route.replace(/[\\"\n]/g, '_')}",status_code="${statusCode}"`;
  const entry = requests.get(labels) || { buckets: BUCKETS.map(() => 0), sum: 0, count: 0 };
  BUCKETS.forEach((limit, index) => { if (seconds <= limit) entry.buckets[index] += 1; });
  entry.sum += seconds;
  entry.count += 1;
  requests.set(labels, entry);
}

function histogram() {
  const name = 'http_request_duration_seconds';
  const lines = [`# HELP ${name} Duration of HTTP requests in seconds`, `# TYPE ${name} histogram`];
  for (const [labels, { buckets, sum, count }] of requests) {
    BUCKETS.forEach((limit, index) => lines.push(`${name}_bucket{le="${limit}",${labels}} ${buckets[index]}`));
    lines.push(`${name}_bucket{le="+Inf",${labels}} ${count}`, `${name}_sum{${labels}} ${sum}`, `${name}_count{${labels}} ${count}`);
  }
  return lines;
}

function metric(name, type, help, value, labels = '') {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, `${name}${labels} ${value}`];
}

/** The complete metrics page. */
function page() {
  const memory = process.memoryUsage();
  const cpu = process.cpuUsage();
  return [
    ...metric('process_cpu_seconds_total', 'counter', 'Total user and system CPU time in seconds.', (cpu.user + cpu.system) / 1e6),
    ...metric('process_start_time_seconds', 'gauge', 'Start time of the process since unix epoch.', Math.round(Date.now() / 1000 - process.uptime())),
    ...metric('process_resident_memory_bytes', 'gauge', 'Resident memory size in bytes.', memory.rss),
    ...metric('nodejs_heap_size_total_bytes', 'gauge', 'Process heap size in bytes.', memory.heapTotal),
    ...metric('nodejs_heap_size_used_bytes', 'gauge', 'Process heap size used in bytes.', memory.heapUsed),
    ...metric('nodejs_external_memory_bytes', 'gauge', 'External memory size in bytes.', memory.external),
    ...metric('nodejs_version_info', 'gauge', 'Node.js version info.', 1, `{version="${process.version}"}`),
    ...histogram(),
    '',
  ].join('\n');
}

module.exports = { observe, page };
