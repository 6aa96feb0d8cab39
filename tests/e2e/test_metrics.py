"""What berth shows of itself: numbers, health, and the dashboard made of them."""
import collections
import json
import os
import re
import socket
import unittest
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

from harness import STAND_IN, Connection, api, wait_for
from test_faults import Faulty

TOP = Path(__file__).resolve().parents[2]
LINE = re.compile(r'([a-z_]+)(?:\{((?:[a-z0-9_]+="(?:[^"\\]|\\.)*",?)*)\})? '
                  r"([0-9.e+-]+|NaN)")
LABEL = re.compile(r'([a-z0-9_]+)="((?:[^"\\]|\\.)*)"')
SUFFIXES = re.compile("_(bucket|sum|count)$")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def scrape(text):
    """{(name, labels): value}; every line must be as Prometheus wants it."""
    samples, family, families = {}, None, set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            family = line.split()[2]
            assert family not in families, line
            families.add(family)
        elif not line.startswith("# HELP "):
            name, labels, value = LINE.fullmatch(line).groups()
            assert family in (name, SUFFIXES.sub("", name)), line
            key = name, frozenset(LABEL.findall(labels or ""))
            assert key not in samples, line
            samples[key] = float(value)
    return samples


class Numbers:
    def __init__(self, place):
        status, text = api(place, "GET", "/metrics")
        assert status == 200, text
        self.samples = scrape(text.decode())

    def of(self, name, **labels):
        """The sum over all samples NAME with LABELS among theirs."""
        return sum(value for (n, have), value in self.samples.items()
                   if n == name and set(labels.items()) <= have)


@unittest.skipIf(STAND_IN, "about berth itself")
class Metrics(Faulty):
    def watched(self, **changes):
        """A berth of this test's own, and where it shows its numbers."""
        place = self.dir / "metrics.sock"
        berth = self.another(metrics={"listen": str(place)}, **changes)
        wait_for("ready", lambda: api(place, "GET", "/readyz")[0] == 200)
        return berth, place

    def status(self, *words):
        return self.run_client(os.environ["BERTH_BINARY"], "status", *words)

    def test_the_numbers_are_those_of_the_audit(self):
        berth, place = self.watched()
        host = {"DOCKER_HOST": f"unix://{berth.socket}"}
        self.docker("run", "--rm", "busybox", "head", "-c", "100000",
                    "/dev/zero", **host)
        self.docker("run", "-i", "--rm", "busybox", "wc", "-c",
                    input=b"x" * 50000, **host)
        self.docker_result("run", "--privileged", "busybox", **host)
        for _ in range(3):
            api(berth.socket, "GET", "/swarm")

        def all_is_quiet():
            return not Numbers(place).of("berth_requests_open")
        wait_for("the last stream to end", all_is_quiet)
        ends = [r for r in berth.audit() if r["event"] == "end"]
        numbers = Numbers(place)
        asked = collections.Counter(
            (r["operation"], r.get("verdict", "none")) for r in ends)
        self.assertGreaterEqual(asked["ContainerStart", "allow"], 2)
        self.assertEqual(asked["ContainerCreate", "deny"], 1)
        self.assertEqual(asked["SwarmInspect", "deny"], 3)
        for (operation, verdict), count in asked.items():
            self.assertEqual(count, numbers.of(
                "berth_requests_total", operation=operation, verdict=verdict))
        # pings that berth answers by itself are counted, but not on record
        pings = sum(numbers.of("berth_requests_total", operation=o)
                    for o in ("SystemPing", "SystemPingHead"))
        self.assertGreater(pings, 0)
        every = pings + sum(not r["operation"].startswith("SystemPing")
                            for r in ends)
        self.assertEqual(every, numbers.of("berth_requests_total"))
        self.assertEqual(
            every, numbers.of("berth_request_duration_seconds_count"))
        self.assertEqual(every, numbers.of(
            "berth_request_duration_seconds_bucket", le="+Inf"))
        for way in ("in", "out"):
            self.assertEqual(sum(r["bytes_" + way] for r in ends), numbers.of(
                "berth_bytes_total", direction=way))
        self.assertGreater(numbers.of("berth_bytes_total", direction="out"),
                           100000)
        for close, count in collections.Counter(
                r["close"] for r in ends).items():
            self.assertEqual(count, numbers.of(
                "berth_requests_closed_total", close=close))
        self.assertEqual(berth.stop(), 0)

    def test_what_is_open_is_seen_and_its_bytes_too(self):
        berth, place = self.watched()
        c = Connection(berth.socket)
        self.addCleanup(c.close)
        c.request("GET", "/events")
        events = c.getresponse()
        wait_for("the stream", lambda: Numbers(place).of(
            "berth_requests_open", kind="stream") == 1)
        self.assertEqual(Numbers(place).of("berth_clients"), 1)
        before = Numbers(place).of("berth_bytes_total", direction="out")
        self.docker("run", "--rm", "busybox", "true")
        self.assertIn("Action", json.loads(events.readline()))
        self.assertGreater(
            Numbers(place).of("berth_bytes_total", direction="out"), before)
        c.close()
        events.close()
        wait_for("its end", lambda: not Numbers(place).of("berth_clients"))
        self.assertEqual(Numbers(place).of("berth_requests_open"), 0)

    def test_a_link_that_breaks_is_seen_and_counted(self):
        berth, place = self.watched(upstream={"wait": "100ms"})
        self.assertEqual(Numbers(place).of("berth_link_up"), 1)
        self.assertEqual(api(place, "GET", "/readyz")[0], 200)
        self.assertEqual(self.status("--socket", place).rc, 0)
        self.kill_ssh_sessions("sshd-stop")
        try:
            wait_for("not ready", lambda: api(
                place, "GET", "/readyz")[0] == 503)
            self.assertEqual(Numbers(place).of("berth_link_up"), 0)
            self.assertEqual(api(place, "GET", "/healthz")[0], 200)
            result = self.status("--socket", place)
            self.assertEqual(result.rc, 1, result)
            self.assertIn("link down: ", result.text)
        finally:
            self.bed.do("sshd-start")
        wait_for("ready", lambda: api(place, "GET", "/readyz")[0] == 200)
        self.assertEqual(Numbers(place).of("berth_link_reconnects_total"), 1)
        self.assertEqual(berth.stop(), 0)
        wait_for("the other link", lambda: api(
            self.berth.socket, "GET", "/containers/json")[0] == 200)

    def test_records_that_cannot_be_written_are_counted(self):
        berth, place = self.watched(audit={"to": "/dev/full"})
        for _ in range(3):
            self.assertEqual(api(berth.socket, "GET", "/info")[0], 200)
        self.assertGreaterEqual(
            Numbers(place).of("berth_audit_failures_total"), 3)

    def test_monitors_come_and_go_with_a_reload(self):
        berth, place = self.watched()
        api(berth.socket, "GET", "/info")
        policy = self.policy_of(berth)
        policy["metrics"] = {"listen": f"127.0.0.1:{free_port()}"}
        self.reload(berth, policy)
        self.assertFalse(place.exists())
        url = f"http://{policy['metrics']['listen']}/metrics"
        with urlopen(url) as reply:
            numbers = scrape(reply.read().decode())
        self.assertIn(("berth_reloads_total", frozenset(
            {("result", "done")})), numbers)
        result = self.status("--policy", berth.dir / "policy.json")
        self.assertEqual(result.rc, 0, result)
        policy["metrics"] = {"listen": str(place)}
        policy["metricks"] = {}
        self.reload(berth, policy, "the policies stay as they were")
        self.assertFalse(place.exists())
        del policy["metricks"]
        self.reload(berth, policy)
        numbers = Numbers(place)
        self.assertEqual(numbers.of("berth_reloads_total", result="done"), 2)
        self.assertEqual(numbers.of("berth_reloads_total", result="refused"), 1)
        # and what was counted goes on
        self.assertEqual(numbers.of("berth_requests_total",
                                    operation="SystemInfo"), 1)

    def test_the_status_is_for_people_and_for_programs(self):
        berth, place = self.watched()
        api(berth.socket, "GET", "/info")
        api(berth.socket, "GET", "/swarm")
        text = self.status("--policy", berth.dir / "policy.json").text
        self.assertRegex(text, r"berth \d+\.\d+")
        self.assertIn("link up, the engine answers", text)
        self.assertIn("1 denied", text)
        said = json.loads(self.status("--json", "--socket", place).text)
        self.assertTrue(said["ready"])
        self.assertEqual(said["berths"][0]["requests"]["deny"], 1)
        self.assertEqual(said["engines"][0]["link_up"], True)

        nobody = self.status("--socket", self.dir / "nobody.sock")
        self.assertEqual(nobody.rc, 2)
        self.assertIn(b"is berth running", nobody.err)
        none = self.status("--policy", self.berth.dir / "policy.json")
        self.assertEqual(none.rc, 2)
        self.assertIn(b"has no metrics.listen; add it", none.err)

    def test_every_query_of_the_dashboard_finds_something(self):
        """As Prometheus itself sees it, which scrapes a real berth."""
        port, web = free_port(), free_port()
        berth = self.another(metrics={"listen": f"127.0.0.1:{port}"})
        (self.dir / "prometheus.yml").write_text(json.dumps({
            "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms"},
            "scrape_configs": [{"job_name": "berth", "static_configs": [
                {"targets": [f"127.0.0.1:{port}"]}]}]}))
        self.start("prometheus",
                   f"--config.file={self.dir}/prometheus.yml",
                   f"--storage.tsdb.path={self.dir}/data",
                   f"--web.listen-address=127.0.0.1:{web}",
                   "--log.level=error")

        def query(text):
            text = text.replace("$namespace", ".*")
            text = text.replace("$__rate_interval", "1m")
            try:
                with urlopen(f"http://127.0.0.1:{web}/api/v1/query?" +
                             urlencode({"query": text})) as reply:
                    return json.load(reply)["data"]["result"]
            except OSError:
                return []

        def work():
            api(berth.socket, "GET", "/info")
            api(berth.socket, "GET", "/swarm")
            return query("count_over_time(berth_clients[1m]) > 1")
        wait_for("a few scrapes", work)
        dashboard = json.loads((TOP / "deploy/grafana/berth.json").read_text())
        queries = [t["expr"] for p in dashboard["panels"]
                   for t in p["targets"]]
        self.assertGreater(len(queries), 15)

        def unanswered():
            work()
            return [q for q in queries if not query(q)]
        wait_for("an answer to each", lambda: not unanswered())
        variables = [v["definition"] for v in dashboard["templating"]["list"]
                     if v["type"] == "query"]
        for variable in variables:
            name, label = re.fullmatch(
                r"label_values\((\w+), (\w+)\)", variable).groups()
            self.assertIn(label, query(name)[0]["metric"])
