// What scenarios with dockerode share.
'use strict';
const { PassThrough } = require('stream');
const Docker = require('dockerode');

const docker = new Docker(); // takes DOCKER_HOST
const FOREVER = { Image: 'busybox', Cmd: ['sleep', '999'] };

async function collect(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

// Both outputs of a multiplexed stream, to its end.
async function demux(stream) {
  const out = new PassThrough();
  const err = new PassThrough();
  docker.modem.demuxStream(stream, out, err);
  stream.on('end', () => { out.end(); err.end(); });
  return (await Promise.all([collect(out), collect(err)])).map(String);
}

const progress = (stream) => new Promise((yes, no) =>
  docker.modem.followProgress(stream, (e, all) => (e ? no(e) : yes(all))));

// A tar archive of plain files.
function tar(files) {
  const blocks = [];
  for (const [name, text] of Object.entries(files)) {
    const data = Buffer.from(text);
    const head = Buffer.alloc(512);
    head.write(name);
    head.write('0000644\x000000000\x000000000\x00', 100);
    head.write(data.length.toString(8).padStart(11, '0') + '\x00', 124);
    head.write('00000000000\x00        0', 136);
    head.write('ustar\x0000', 257);
    const sum = head.reduce((a, b) => a + b, 0);
    head.write(sum.toString(8).padStart(6, '0') + '\x00 ', 148);
    blocks.push(head, data, Buffer.alloc(-data.length & 511));
  }
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

module.exports = { docker, FOREVER, collect, demux, progress, tar };
