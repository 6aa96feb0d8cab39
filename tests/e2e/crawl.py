"""Asking for everything: the operations of tests/catalogue, with every word in
every place where a name may be."""
import csv
import http.client
import json
import re
from pathlib import Path
from urllib.parse import quote

from harness import Connection

CATALOGUE = Path(__file__).resolve().parents[1] / "catalogue/endpoints.tsv"
GROUPS = {"container", "exec", "network", "volume", "image", "build", "system",
          "checkpoint", "distribution"}
PLACE = re.compile(r"\{\w+\*?\}")

# The keys of each list's filters, and what they take beside a reference.
FILTERS = {
    "ContainerList": ["id", "name", "before", "since", "ancestor", "network",
                      "volume", "label", "status", "health"],
    "NetworkList": ["id", "name", "label", "driver", "scope", "type",
                    "dangling"],
    "VolumeList": ["name", "label", "driver", "dangling"],
    "ImageList": ["reference", "before", "since", "label", "dangling"],
    "SystemEvents": ["container", "image", "network", "volume", "label",
                     "type", "event", "daemon", "scope"],
}
# Query keys in which something is named.
NAMING = {"names", "since", "before", "container", "filter"}
# What else an operation wants before it looks for what is named.
ALSO = {"path": "/etc/hostname", "stdout": "1", "logs": "1", "stream": "0",
        "force": "1", "v": "1", "signal": "KILL", "h": "10", "w": "10", "t": "0"}


class Operation:
    def __init__(self, row):
        self.name, self.method, self.path = row[:3]
        self.group, self.mutates = row[3], row[5] == "yes"
        self.query = [] if row[11] == "-" else row[11].split()

    def target(self, ref, **query):
        """With REF in its path, and what it needs in its query."""
        path = PLACE.sub(lambda _: quote(ref, safe="/:%"), self.path)
        keys = {k: ALSO[k] for k in self.query if k in ALSO} | query
        return path + ("?" if keys else "") + "&".join(
            f"{k}={quote(v)}" for k, v in keys.items())

    @property
    def takes_ref(self):
        return bool(PLACE.search(self.path)) and self.name != "SystemOptions"

    @property
    def asks_registry(self):
        return self.name in ("DistributionInspect", "ImageSearch", "ImagePush")


def operations():
    with CATALOGUE.open() as f:
        rows = [r for r in csv.reader(f, delimiter="\t")
                if not r[0].startswith("#")]
    return [Operation(r) for r in rows if r[3] in GROUPS]


def filters(key, value):
    """Both ways to write a filter."""
    yield json.dumps({key: [value]})
    yield json.dumps({key: {value: True}})


def ordered(x):
    """X with its lists in order, which engines shuffle."""
    if isinstance(x, dict):
        return {k: ordered(v) for k, v in x.items()}
    if isinstance(x, list):
        return sorted((ordered(v) for v in x), key=json.dumps)
    return x


def in_order(body):
    """BODY, with its lists in order if it is JSON."""
    try:
        return json.dumps(ordered(json.loads(body)), ensure_ascii=False)
    except ValueError:
        return body.decode("latin-1")


class Reply:
    """All that a client can see of an answer."""

    def __init__(self, status, reason, headers, body):
        self.status = status
        self.lines = [f"{status} {reason}",
                      *(f"{k}: {v}" for k, v in headers
                        if k not in ("Date", "Content-Length"))]
        self.text = "\n".join(self.lines) + "\n" + in_order(body)

    def about(self, ref):
        """The same, with REF taken out wherever it is echoed."""
        # one's own things have other IDs each; another's are looked for
        text = re.sub("[0-9a-f]{64}", "ID", self.text)
        text = re.sub(r'"Status": "[^"]*"', "", text)  # "Up 2 seconds"
        for word in (ref, ref.lstrip("/"), ref.rpartition(":")[0]):
            text = text.replace(word, "REF") if word else text
        return text


class Crawler:
    """One connection to the berth at PATH, made anew when it is closed."""

    def __init__(self, path):
        self.path, self.connection = path, None
        self.count = 0

    def ask(self, method, target, body=None, headers=()):
        self.count += 1
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        headers = dict(headers)
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        for fresh in (False, True):
            if fresh or not self.connection:
                self.close()
                self.connection = Connection(self.path, timeout=20)
            try:
                self.connection.request(method, target, body, headers)
                reply = self.connection.getresponse()
                got = Reply(reply.status, reply.reason, reply.getheaders(),
                            reply.read())
                if reply.will_close:
                    self.close()
                return got
            except (http.client.RemoteDisconnected, BrokenPipeError):
                if fresh:
                    raise
        raise AssertionError("unreachable")

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None
