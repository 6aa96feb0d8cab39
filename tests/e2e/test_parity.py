"""Each scenario of parity/chapters straight on an engine, and then in several
namespaces of it at once: what can be observed is the same each time, but for
what parity/differences.py allows.

BERTH_E2E_NAMESPACES says how many there are, up to four; 0 is none of this."""
import difflib
import os
import unittest
from concurrent.futures import ThreadPoolExecutor

from harness import ADDRESSES, STAND_IN, Bed, Berth, api, empty
from parity import chapter, differences
from parity.play import Player

NAMESPACES = ["ash", "elm", "fir", "oak"]
COUNT = 2  # so many have whatever can collide


class World:
    """The engine itself, and the berths before it; for the whole module."""

    def __init__(self):
        self.bed = Bed(os.environ["BERTH_E2E_BED"])
        self.env = self.bed.env
        self.engine = self.env["BED_ENGINE_VERSION"]
        self.socket = self.env["BED_SOCKET"]
        count = int(os.environ.get("BERTH_E2E_NAMESPACES") or COUNT)
        self.namespaces = NAMESPACES[:count]
        self.berths = [Berth(self.bed, n, **ADDRESSES) for n in self.namespaces]
        self.players = [Player(self.env, socket, n) for n, socket in enumerate(
            [self.socket, *(b.socket for b in self.berths)])]
        self.pool = ThreadPoolExecutor(count)

    def close(self):
        self.pool.shutdown()
        self.empty()
        for player in self.players:
            player.close()
        codes = [b.stop() for b in self.berths]
        if any(codes):
            raise AssertionError(f"berths ended with {codes}")

    def empty(self):
        """Make the engine what it was when the bed came up."""
        empty(self.socket)
        api(self.socket, "POST", "/images/prune",
            filters='{"dangling":["true"]}')
        api(self.socket, "POST", "/build/prune", all=1)

    def play(self, scenarios):
        """What SCENARIOS showed directly, and what in each namespace."""
        self.empty()
        direct = self.players[0].play(scenarios)
        self.empty()
        through = list(self.pool.map(lambda p: p.play(scenarios),
                                     self.players[1:]))
        return direct, dict(zip(self.namespaces, through))


def setUpModule():
    if STAND_IN:
        raise unittest.SkipTest("ssh -L has no namespaces")
    if os.environ.get("BERTH_E2E_NAMESPACES") == "0":
        raise unittest.SkipTest("BERTH_E2E_NAMESPACES is 0")
    global world
    world = World()
    unittest.addModuleCleanup(world.close)


class Chapter(unittest.TestCase):
    """One of the chapters; each scenario is a test of its own."""

    @classmethod
    def setUpClass(cls):
        cls.direct, cls.through = world.play(
            chapter.of_engine(cls.name, world.engine))

    def compare(self, title):
        if title not in self.direct:
            self.skipTest(f"not for engine {world.engine}")
        for namespace, shown in self.through.items():
            want, got, unused = differences.allow(
                title, world.engine, self.direct[title], shown[title])
            if want != got:
                self.fail(f"in {namespace}, {title}:\n" + "\n".join(
                    difflib.unified_diff(
                        want.splitlines(), got.splitlines(),
                        "an engine", "through berth", lineterm="", n=4)))
            if unused:
                self.fail(f"{title}: no longer differs as the table says: "
                          + "; ".join(d.what for d in unused))


def make(name):
    methods = {"name": name}
    for scenario in chapter.every(name):
        def test(self, title=scenario.title):
            self.compare(title)
        methods["test_" + scenario.slug] = test
    return type(name.title(), (Chapter,), methods)


for _name in chapter.names():
    globals()[_name.title()] = make(_name)
