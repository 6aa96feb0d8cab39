"""Compose projects of the usual kinds (projects/) come up as on an engine of
one's own, for four runners at the same time.

Each runner has a network, so a localhost, of its own, and its copies of the
projects at the same path as the others. By default each project is played once,
the four at work at the same time, and SHARED ones by all four at once. With
BERTH_E2E_PROJECTS=all, each is played straight on the engine, and then by each
runner.
"""
import os
import shutil
import signal
import tempfile
import threading
import unittest
from pathlib import Path

from harness import MORE_PATIENCE, NEXT, STAND_IN, Bed, Berth, empty, too_long
from projects import Network, Place, commands, names

ALL = os.environ.get("BERTH_E2E_PROJECTS") == "all"
RUNNERS = 4
SHARED = ["kinds-of-ports", "web-and-database"]


def at_once(jobs):
    """Play JOBS, lists of (place, project), side by side; what was wrong."""
    wrong = []

    def work(job):
        for place, project in job:
            try:
                wrong.extend(place.play(project))
            except Exception as e:  # it has to be told by the test
                wrong.append(f"{place.name}, {project}: {e!r}")

    threads = [threading.Thread(target=work, args=(job,)) for job in jobs]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return wrong


@unittest.skipIf(STAND_IN, "an ssh -L has one runner, and no files")
class Projects(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.bed = Bed(os.environ["BERTH_E2E_BED"])
        cls.env = cls.bed.env
        if cls.env["BED_ENGINE"] not in ("26.1", *NEXT):
            raise unittest.SkipTest("parts of volumes need Engine 26")
        cls.dir = Path(tempfile.mkdtemp(prefix="berth-e2e-test."))
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        cli = "docker-next" if cls.env["BED_ENGINE"] in NEXT else "docker-26.1"
        cls.commands = commands(cls.dir / "bin", cls.env, cli)
        cls.places = [cls.runner(n) for n in range(1, RUNNERS + 1)]

    @classmethod
    def runner(cls, number):
        network = Network(cls.env, number)
        cls.addClassCleanup(network.remove)
        srv = cls.dir / f"r{number}"
        (srv / "projects").mkdir(parents=True)
        place = Place(f"runner {number}", srv, network.name, "", cls.commands)
        berth = Berth(cls.bed, f"r{number}", prefix=place.prefix,
                      ports={"publish": "runner"},
                      container={"mounts": [{"source": "/srv/projects",
                                             "by": "copy", "mode": "rw"}]})
        cls.addClassCleanup(cls.stop, berth)
        place.env["DOCKER_HOST"] = f"unix://{berth.socket}"
        return place

    @classmethod
    def stop(cls, berth):
        empty(berth.socket)
        log = berth.log()
        rc = berth.stop()
        if rc != 0 or "Sanitizer" in log:
            raise AssertionError(f"berth ended with {rc}:\n{log[-4000:]}")

    def setUp(self):
        signal.signal(signal.SIGALRM, too_long)
        signal.alarm(MORE_PATIENCE * (4 if ALL else 1))
        self.addCleanup(signal.alarm, 0)

    def play(self, jobs):
        wrong = at_once(jobs)
        self.assertEqual(wrong, [], "\n".join(wrong))

    @unittest.skipUnless(ALL, "it takes BERTH_E2E_PROJECTS=all")
    def test_1_straight(self):
        srv = self.bed.dir / "srv"
        self.addCleanup(shutil.rmtree, srv / "projects")
        self.addCleanup(empty, self.env["BED_SOCKET"])
        place = Place("the engine itself", srv, self.env["BED_NETNS"],
                      self.env["BED_SOCKET"], self.commands)
        self.play([[(place, name) for name in names()[n::RUNNERS]]
                   for n in range(RUNNERS)])

    def test_2_four_runners(self):
        """Each project by one of them, or by all of them."""
        self.assertEqual(len(names()), 30)
        self.play([[(place, name) for i, name in enumerate(names())
                    if ALL or name in SHARED or i % RUNNERS == n]
                   for n, place in enumerate(self.places)])


if __name__ == "__main__":
    unittest.main()
