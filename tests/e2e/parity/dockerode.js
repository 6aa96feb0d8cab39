// What dockerode does and gets.
'use strict';
const { PassThrough, Readable } = require('stream');
const { docker, FOREVER, collect, demux, progress, tar } = require('../clients/ode.js');
const { show, fails, play } = require('./show.js');

const REPO = process.env.REPO;

play({
  async node_run() {
    const out = new PassThrough();
    const text = collect(out);
    const [end] = await docker.run('busybox', ['sh', '-c', 'echo hi; exit 3'], out,
      { name: 'ode', HostConfig: { AutoRemove: true } });
    show(end, String(await text));
  },

  async node_life() {
    const c = await docker.createContainer(
      { ...FOREVER, name: 'box', Labels: { a: 'b' }, StopSignal: 'SIGKILL' });
    await c.start();
    const got = await c.inspect();
    show(got.Name, got.State.Status, got.Config.Labels, got.HostConfig.NetworkMode,
      Object.keys(got.NetworkSettings.Networks));
    await fails(() => c.start());
    await c.rename({ name: 'crate' });
    show((await docker.getContainer('crate').inspect()).Name);
    const waiting = c.wait();
    await c.stop();
    show(await waiting);
    await c.remove();
    await fails(() => c.inspect());
  },

  async node_lists() {
    for (const [name, t] of [['web', '1'], ['web2', '1'], ['db', '2']]) {
      await docker.createContainer({ ...FOREVER, name, Labels: { t } });
    }
    const names = async (how) => (await docker.listContainers({ all: true, ...how }))
      .map((x) => x.Names);
    show(await names(), await names({ filters: { label: ['t=1'] } }),
      await names({ filters: { name: ['web'] } }),
      await names({ filters: '{"name":["^/db$"]}' }), await names({ limit: 1 }));
    for (const x of await docker.listContainers({ all: true })) {
      await docker.getContainer(x.Id).remove();
    }
  },

  async node_exec() {
    const c = await docker.createContainer({ ...FOREVER, name: 'box' });
    await c.start();
    const exec = await c.exec({ Cmd: ['sh', '-c', 'echo out; echo err >&2; exit 4'],
      AttachStdout: true, AttachStderr: true });
    show(await demux(await exec.start({})), await exec.inspect());
    const other = await c.exec({ Cmd: ['sh', '-c', 'read x; echo got $x'],
      AttachStdin: true, AttachStdout: true });
    const stream = await other.start({ hijack: true, stdin: true });
    stream.write('this\n');
    show(await demux(stream));
    await c.remove({ force: true });
  },

  async node_attach() {
    const c = await docker.createContainer({ Image: 'busybox', Cmd: ['cat'], name: 'cat',
      OpenStdin: true, StdinOnce: true });
    const stream = await c.attach(
      { stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
    await c.start();
    stream.end('through\n');
    show(await demux(stream), await c.wait());
    show(await demux(await c.logs({ follow: true, stdout: true, stderr: true })));
    await c.remove();
  },

  async node_errors() {
    const c = await docker.createContainer({ ...FOREVER, name: 'taken' });
    await fails(() => docker.getContainer('nobody').inspect());
    await fails(() => docker.createContainer({ ...FOREVER, name: 'taken' }));
    await fails(() => docker.createContainer({ ...FOREVER, name: 'a b' }));
    await fails(() => docker.createContainer({ Image: 'nothing:v1' }));
    await fails(() => c.kill());
    await fails(() => c.getArchive({ path: '/no/such' }));
    await fails(() => docker.getNetwork('nothing').remove());
    await fails(() => docker.getVolume('nothing').remove());
    await fails(() => docker.getImage('nothing:v1').remove());
    await fails(() => docker.getExec('nothing').inspect());
    await c.remove();
  },

  async node_networks() {
    const n = await docker.createNetwork({ Name: 'front', Labels: { a: 'b' } });
    await docker.createVolume({ Name: 'data', Labels: { a: 'b' } });
    const c = await docker.createContainer({ ...FOREVER, name: 'box',
      HostConfig: { Binds: ['data:/d'], NetworkMode: 'front' },
      NetworkingConfig: { EndpointsConfig: { front: { Aliases: ['boxy'] } } } });
    await c.start();
    show(await n.inspect(), (await c.inspect()).NetworkSettings.Networks.front.Aliases,
      (await c.inspect()).Mounts);
    show((await docker.listVolumes({ filters: { label: ['a=b'] } })).Volumes,
      (await docker.listNetworks({ filters: { name: ['front'] } })).map((x) => x.Name));
    await fails(() => n.remove());
    await c.remove({ force: true });
    await n.remove();
    await docker.getVolume('data').remove();
    await fails(() => n.inspect());
  },

  async node_archives() {
    const c = await docker.createContainer({ ...FOREVER, name: 'box' });
    await c.putArchive(tar({ data: 'x'.repeat(70000) }), { path: '/tmp' });
    show((await collect(await c.getArchive({ path: '/tmp/data' }))).length);
    show(await c.changes());
    await c.remove();
  },

  async node_build() {
    const context = tar({ Dockerfile: 'FROM busybox\nCOPY f /\nRUN cat /f\n',
      f: String(Math.random()) });
    const all = await progress(await docker.buildImage(
      Readable.from([context]), { t: REPO + '/node:v1' }));
    show(all.map((x) => (x.stream || '').replace(/0\.\d+/, 'random')));
    const image = docker.getImage(REPO + '/node:v1');
    show((await image.inspect()).RepoTags);
    await image.remove();
    await fails(() => image.inspect());
  },

  async node_events() {
    const stream = await docker.getEvents({ filters: { type: ['container'] } });
    const lines = require('readline').createInterface({ input: stream });
    const seen = [];
    const done = new Promise((yes) => lines.on('line', (x) => {
      const e = JSON.parse(x);
      seen.push([e.Action, e.Actor.Attributes]);
      if (e.Action === 'destroy') yes();
    }));
    const c = await docker.createContainer({ ...FOREVER, name: 'box' });
    await c.remove();
    await done;
    show(seen);
    stream.destroy();
  },
});
