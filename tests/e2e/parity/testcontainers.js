// What Testcontainers does and gets.
'use strict';
const fs = require('fs');
const path = require('path');
const { GenericContainer, Network, Wait } = require('testcontainers');
const { show, fails, play } = require('./show.js');

const server = () => new GenericContainer('alpine:3.17')
  .withCommand(['sh', '-c', 'mkdir /w; echo page >/w/p; echo ready; exec httpd -f -h /w']);

play({
  async tc_server() {
    const c = await server().withExposedPorts(80).withName('site').withLabels({ a: 'b' })
      .withWaitStrategy(Wait.forListeningPorts()).start();
    const reply = await fetch(`http://${c.getHost()}:${c.getMappedPort(80)}/p`);
    show(await reply.text(), c.getName(), c.getLabels().a, c.getNetworkNames(),
      c.getHostname());
    await c.stop({ timeout: 0 });
  },

  async tc_exec() {
    const c = await server().withEnvironment({ A: 'b' })
      .withWaitStrategy(Wait.forLogMessage('ready')).start();
    const { stdout, stderr, exitCode } =
      await c.exec(['sh', '-c', 'echo $A; echo e >&2; exit 4']);
    show(stdout, stderr, exitCode);
    await c.stop({ timeout: 0 });
  },

  async tc_files() {
    const c = await server().withCopyContentToContainer(
      [{ content: 'copied', target: '/etc/copied' }]).withTmpFs({ '/t': 'rw' })
      .withWaitStrategy(Wait.forLogMessage('ready')).start();
    show(await c.exec(['cat', '/etc/copied']));
    const image = await c.commit({ repo: process.env.REPO + '/tc', tag: 'v1' });
    show(typeof image);
    await c.stop({ timeout: 0 });
  },

  async tc_network() {
    const network = await new Network().start();
    const one = await server().withNetwork(network).withNetworkAliases('site')
      .withWaitStrategy(Wait.forLogMessage('ready')).start();
    const two = await server().withNetwork(network)
      .withWaitStrategy(Wait.forLogMessage('ready')).start();
    show((await two.exec(['wget', '-qO-', 'http://site/p'])).output);
    await Promise.all([one, two].map((c) => c.stop({ timeout: 0 })));
    await network.stop();
  },

  async tc_build() {
    const dir = path.join(process.env.HOME, 'context');
    fs.mkdirSync(dir);
    fs.writeFileSync(path.join(dir, 'unique'), String(Math.random()));
    fs.writeFileSync(path.join(dir, 'Dockerfile'),
      'FROM alpine:3.17\nCOPY unique /\nRUN echo made >/made\nCMD cat /made; sleep 999\n');
    const image = await GenericContainer.fromDockerfile(dir).build();
    const c = await image.withWaitStrategy(Wait.forLogMessage('made')).start();
    show('built');
    await c.stop({ timeout: 0 });
  },

  async tc_errors() {
    await fails(() => new GenericContainer('busybox').withCommand(['no-such-program']).start());
    await fails(() => new GenericContainer('busybox').withNetworkMode('nothing').start());
    await fails(() => new GenericContainer('busybox').withName('_bad').start());
  },
});
