// What dockerode does: NAME of a scenario as argument.
'use strict';
const assert = require('assert');
const { PassThrough, Readable } = require('stream');
const { docker, FOREVER, collect, demux, progress, tar } = require('./ode.js');

const NOISE = Buffer.alloc(1 << 20, Uint8Array.from({ length: 251 }, (_, i) => i));

const scenarios = {
  async run() {
    const out = new PassThrough();
    const text = collect(out);
    const [end] = await docker.run('busybox', ['sh', '-c', 'echo hi; exit 3'], out,
      { HostConfig: { AutoRemove: true } });
    assert.strictEqual(end.StatusCode, 3);
    assert.match(String(await text), /^hi\r?\n$/);
  },

  async life() {
    const c = await docker.createContainer(
      { ...FOREVER, name: 'box', Labels: { a: 'b' }, StopSignal: 'SIGKILL' });
    await c.start();
    const got = await c.inspect();
    assert.deepStrictEqual([got.Name, got.State.Status, got.Config.Labels],
      ['/box', 'running', { a: 'b' }]);
    const list = await docker.listContainers({ filters: { label: ['a=b'] } });
    assert.deepStrictEqual(list.map((x) => x.Names), [['/box']]);
    const waiting = c.wait();
    await c.stop();
    assert.strictEqual((await waiting).StatusCode, 137);
    await c.remove();
    await assert.rejects(c.inspect(), { statusCode: 404 });
  },

  // Without "hijack" the engine answers 200 and a body until its end.
  async exec() {
    const c = await docker.createContainer(FOREVER);
    await c.start();
    const exec = await c.exec({ Cmd: ['sh', '-c', 'echo out; echo err >&2; exit 4'],
      AttachStdout: true, AttachStderr: true });
    assert.deepStrictEqual(await demux(await exec.start({})), ['out\n', 'err\n']);
    assert.strictEqual((await exec.inspect()).ExitCode, 4);
  },

  async exec_with_input() {
    const c = await docker.createContainer(FOREVER);
    await c.start();
    const exec = await c.exec({ Cmd: ['sh', '-c', 'read x; echo got $x'],
      AttachStdin: true, AttachStdout: true });
    const stream = await exec.start({ hijack: true, stdin: true });
    stream.write('this\n');
    assert.strictEqual((await demux(stream))[0], 'got this\n');
  },

  async attach() {
    const c = await docker.createContainer({ Image: 'busybox', Cmd: ['sha256sum'],
      OpenStdin: true, StdinOnce: true });
    const stream = await c.attach(
      { stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
    await c.start();
    stream.end(NOISE);
    const want = require('crypto').createHash('sha256').update(NOISE).digest('hex');
    assert.strictEqual((await demux(stream))[0].split(' ')[0], want);
  },

  async logs() {
    const c = await docker.createContainer(
      { Image: 'busybox', Cmd: ['sh', '-c', 'for i in 1 2 3; do echo $i; done'] });
    await c.start();
    const stream = await c.logs({ follow: true, stdout: true, stderr: true });
    assert.strictEqual((await demux(stream))[0], '1\n2\n3\n');
  },

  async archives() {
    const c = await docker.createContainer(FOREVER);
    await c.putArchive(tar({ data: NOISE }), { path: '/tmp' });
    const back = await collect(await c.getArchive({ path: '/tmp/data' }));
    assert(back.subarray(512, 512 + NOISE.length).equals(NOISE));
    await assert.rejects(c.getArchive({ path: '/no/such' }), { statusCode: 404 });
  },

  async build() {
    const context = tar({ Dockerfile: 'FROM busybox\nCOPY f /\nRUN cat /f\n', f: 'hi' });
    const all = await progress(await docker.buildImage(
      Readable.from([context]), { t: 'acme/node:v1' }));
    assert(all.some((x) => x.stream === 'hi'), JSON.stringify(all));
    const image = docker.getImage('acme/node:v1');
    assert.deepStrictEqual((await image.inspect()).RepoTags, ['acme/node:v1']);
    await image.remove();
    await assert.rejects(image.inspect(), { statusCode: 404 });
  },

  async pull_fails() {
    await assert.rejects(async () => progress(
      await docker.pull('127.0.0.1:5000/acme/none:v1')), /manifest unknown|not found/);
  },

  async networks_and_volumes() {
    const n = await docker.createNetwork({ Name: 'front', Labels: { a: 'b' } });
    const v = await docker.createVolume({ Name: 'data', Labels: { a: 'b' } });
    const c = await docker.createContainer({ ...FOREVER, name: 'box',
      HostConfig: { Binds: ['data:/d'], NetworkMode: 'front' } });
    await c.start();
    const got = await n.inspect();
    assert.deepStrictEqual(Object.values(got.Containers).map((x) => x.Name), ['box']);
    const list = await docker.listVolumes({ filters: { label: ['a=b'] } });
    assert.deepStrictEqual(list.Volumes.map((x) => x.Name), ['data']);
    await c.remove({ force: true });
    await n.remove();
    await docker.getVolume('data').remove();
    await assert.rejects(n.inspect(), { statusCode: 404 });
  },

  async events() {
    const stream = await docker.getEvents({ filters: { event: ['start'] } });
    const lines = require('readline').createInterface({ input: stream });
    const first = new Promise((yes) => lines.once('line', yes));
    await (await docker.createContainer({ ...FOREVER, name: 'box' })).start();
    assert.strictEqual(JSON.parse(await first).Actor.Attributes.name, 'box');
    stream.destroy();
  },
};

scenarios[process.argv[2]]().then(() => process.exit(0), (e) => {
  console.error(e);
  process.exit(1);
});
