// What Testcontainers does: NAME of a scenario as argument; of which version, in
// $TESTCONTAINERS.
'use strict';
const assert = require('assert');
const fs = require('fs');
const path = require('path');
const { GenericContainer, Network, Wait } =
  require(process.env.TESTCONTAINERS || 'testcontainers');

const server = () => new GenericContainer('alpine:3.17')
  .withCommand(['sh', '-c', 'mkdir /w; echo page >/w/p; echo ready; exec httpd -f -h /w']);

const scenarios = {
  async a_server_and_its_port() {
    const c = await server().withExposedPorts(80)
      .withWaitStrategy(Wait.forListeningPorts()).start();
    const reply = await fetch(`http://${c.getHost()}:${c.getMappedPort(80)}/p`);
    assert.strictEqual(await reply.text(), 'page\n');
    await c.stop({ timeout: 0 });
  },

  async exec_and_logs() {
    const c = await server().withEnvironment({ A: 'b' })
      .withWaitStrategy(Wait.forLogMessage('ready')).start();
    const got = await c.exec(['sh', '-c', 'echo $A; exit 4']);
    assert.deepStrictEqual([got.output, got.exitCode], ['b\n', 4]);
    const logs = await c.logs();
    const line = await new Promise((yes) => logs.once('data', yes));
    assert.strictEqual(String(line), 'ready\n');
    await c.stop({ timeout: 0 });
  },

  async files() {
    const c = await server().withCopyContentToContainer(
      [{ content: 'copied', target: '/etc/copied' }])
      .withWaitStrategy(Wait.forLogMessage('ready')).start();
    assert.strictEqual((await c.exec(['cat', '/etc/copied'])).output, 'copied');
    await c.stop({ timeout: 0 });
  },

  async a_network_with_aliases() {
    const network = await new Network().start();
    const one = await server().withNetwork(network).withNetworkAliases('site')
      .withWaitStrategy(Wait.forLogMessage('ready')).start();
    const two = await server().withNetwork(network)
      .withWaitStrategy(Wait.forLogMessage('ready')).start();
    assert.strictEqual(
      (await two.exec(['wget', '-qO-', 'http://site/p'])).output, 'page\n');
    await Promise.all([one, two].map((c) => c.stop({ timeout: 0 })));
    await network.stop();
  },

  async an_image_built_for_the_test() {
    const dir = path.join(process.env.HOME, 'context');
    fs.mkdirSync(dir);
    fs.writeFileSync(path.join(dir, 'Dockerfile'),
      'FROM alpine:3.17\nRUN echo made >/made\nCMD cat /made; sleep 999\n');
    const image = await GenericContainer.fromDockerfile(dir).build();
    const c = await image.withWaitStrategy(Wait.forLogMessage('made')).start();
    await c.stop({ timeout: 0 });
  },

  async health() {
    const c = await server().withHealthCheck(
      { test: ['CMD-SHELL', 'wget -qO- http://127.0.0.1/p'], interval: 200, retries: 50 })
      .withWaitStrategy(Wait.forHealthCheck()).start();
    await c.stop({ timeout: 0 });
  },

  // no scenario by itself: prints what it does not stop
  left_behind: async () => {
    const network = await new Network().start();
    const c = await server().withNetwork(network)
      .withWaitStrategy(Wait.forLogMessage('ready')).start();
    console.log(c.getId(), network.getId());
  },
};

scenarios[process.argv[2]]().then(() => process.exit(0), (e) => {
  console.error(e);
  process.exit(1);
});
