'use strict';
/* Writes numbered lines, RATE a second, until the file STOP is there; then says in it how many there were. */

const fs = require('fs');

const { RATE, STOP } = process.env;
const padding = 'x'.repeat(80);
const start = Date.now();
let written = 0;

const timer = setInterval(() => {
  const due = Math.floor(((Date.now() - start) * Number(RATE)) / 1000);
  for (; written < due; written += 1) process.stdout.write(`${written} ${padding}\n`);
  if (!fs.existsSync(STOP)) return;
  clearInterval(timer);
  setInterval(() => {}, 1000);
  fs.writeFileSync(STOP, `${written} ${(Date.now() - start) / 1000}`);
}, 1);
