// Four workers of a cluster that fall at once, each from an error inside another.
const cluster = require('node:cluster');

function load(order) {
  throw new RangeError(`nothing under ${order}`);
}

function charge(order) {
  try {
    load(order);
  } catch (cause) {
    throw new TypeError(`no such order: ${order}`, { cause });
  }
}

if (cluster.isPrimary) {
  const workers = Array.from({ length: 4 }, () => cluster.fork());
  let online = 0;
  for (const worker of workers) {
    worker.on('message', () => {
      online += 1;
      if (online === workers.length) workers.forEach((each) => each.send('go'));
    });
  }
} else {
  process.on('message', () => charge('bill'));
  process.send('ready');
}
