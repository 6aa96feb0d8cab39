#!/usr/bin/python3
"""What differs between an engine and a berth in front of it, on purpose: all
of it. The parity tests allow these differences and no other, and want each to
be there; docs/differences.md is this table for users.

usage: differences.py           write the document
       differences.py --check   is it the one that the table makes?
"""
import re
import sys
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[3] / "docs/differences.md"
INTRO = """\
# Where berth differs from an engine of your own

Clients that have a namespace of berth's are to find what they would find on an
engine that nobody else uses. The parity tests run the same commands straight on
an engine and in two namespaces of one engine at the same time, and compare
what comes back: output, errors, exit codes, JSON; all but IDs, times and
addresses. What is below is all that may differ in them. (This page is made from
the tests' own table; `tests/e2e/parity/differences.py` writes it.)
"""


@dataclass
class Difference:
    """WHAT differs and WHY, for users. In SCENARIOS (none: they are made so
    that it does not show), what is like DIRECT on an
    engine is like THROUGH in a namespace of berth's, as often and at the same
    place; ENGINE, if it is given, is the only one where it is so. Of both
    patterns, the first group is no part of the difference."""
    what: str
    why: str
    scenarios: tuple = ()
    direct: str = ""
    through: str = ""
    engine: str = ""


def error(words):
    """An error that says WORDS, as the docker command and as the api show it;
    docker-py shows it as one line."""
    return (r'^(?:[45]\d\d .*\n(?:\{\n "message": ")?|! Error response from '
            rf'daemon: | "[45]\d\d .*\(\\"){words}(?:\n\}}$)?')


UNKNOWN = "|".join([
    r"invalid JSON: .*", r"json: cannot .*", r"invalid character .*", r"EOF\"?",
    r"unsupported Content-Type .*", r"Content-Type specified .*",
    r"page not found\"?", r"client version 1\.0 is too old.*",
    r"invalid restart policy:? (?:unknown policy )?'nonsense'.*", r"invalid volume specification: .*",
    r"invalid mount config for type .*", r"invalid port specification: .*",
    r"create [^:]*: .* includes invalid characters .*",
    r"create other: invalid option: .*", r"[Ii]nvalid subnet nonsense.*",
    r"invalid network config:\n! .*",
    r"Interval in Healthcheck cannot be less than 1ms",
    r"strconv\.Atoi: parsing .*"])
OWN_WORDS = (
    "Requests that no engine carries out",
    """\
What is malformed, or no part of the Docker API, or a value that no policy lists
and no engine takes, is refused by berth before an engine sees it: in berth's
words, which begin with `berth:`, and with status 400 or 403 where engines have
other words and may say 404 or 500. Characters of the request that are no ASCII
are shown as their bytes.""")
LIMITS = (
    "Limits that the policy sets",
    """\
Where the policy has limits for containers, one that is created without them has
them nevertheless, and inspects and statistics show them. The preset
`compose-tests`, under which the tests run, sets the number of processes
(`PidsLimit`); and every policy the size of a log of the driver `json-file`
(`LogConfig`), which would otherwise grow until the host's disk is full.""")
LOG_CONFIG = (r'"LogConfig": ?\{\s*(?:"Type": ?"json-file",\s*)?'
              r'"Config": ?\{')
NETWORK = (
    "The default network",
    """\
A runner's default network, `bridge`, is one of its own: otherwise its
containers could reach those of all other runners. To the engine it is a network
that somebody made. So containers on it ask the engine's name server, which
knows nobody there by name either; `docker network inspect bridge` shows the
engine's options (its MTU, for one), but for the name `docker0`; and a link on it (`--link`) is a name in that name server,
not a line in `/etc/hosts`, and sets no variables like `DB_NAME`. With
`"ports": { "publish": "runner" }` its gateway is shown as the address on which
ports answer ([near.md](near.md#the-gateway-of-bridge)).""")
BUILDS = (
    "Images of the classic builder",
    """\
A step that fails leaves no container behind, because its runner could neither
see nor remove it. Steps are taken from the cache only as far as images of the
runner's own have them.""")
SHARED = (
    "Shared images",
    """\
What is on the engine under a registry's name is shared by all runners, as far as
`images.shared` says. To remove a shared image is a success that changes nothing;
to remove an own name of a shared image leaves the shared one. An inspect does not
tell when an image was last tagged (`Metadata.LastTagTime`), for it may have been
another runner that did.""")

EVENTS = (
    "Events that name no object",
    """\
An event is shown when it says whose it is: by a label or a name, or because its
container is known to be the runner's. That an anonymous volume was made is not
shown (that it was mounted and destroyed is), and neither is that something was
pruned. Of images, only what names an own tag is shown, as tagging does: an engine
tells of pulls, pushes and deletes without a word whose they were.""")

DIFFERENCES = [
    Difference(*OWN_WORDS, (
        "a container made of nonsense", "values that cannot be",
        "values that cannot be, as the API says it",
        "volumes that are not there", "volumes that cannot be",
        "networks that cannot be", "networks that cannot be, as the API says it",
        "docker-py is refused", "API versions", "pages that are not there"),
        error(f"(?:{UNKNOWN})"), error(r"berth: .*")),
    Difference(*OWN_WORDS, ("the list as the API refuses it",),
               error("(?:invalid character .*|json: .*)"),
               error("invalid filter.*"), "20.10"),
    Difference(*OWN_WORDS, ("a container made of nonsense",),
               r"(create '\{\}'\n400 .*\n\{\n \"message\": )\"[Cc]onfig cannot be .*",
               r"(create '\{\}'\n400 .*\n\{\n \"message\": )\"[Nn]o command .*"),
    Difference(*OWN_WORDS, ("networks that cannot be",),
               r"(create ''\n)! .* network with name  already exists",
               r"(create ''\n)! .* invalid name: ?", "20.10"),
    Difference(*OWN_WORDS, ("names that cannot be",),
               r"\(ü\)", r"\(\\xc3\\xbc\)"),
    Difference(
        "What the policy denies",
        """\
A container that would reach past itself (privileged, the host's namespaces,
paths, devices, most capabilities) is made by an engine, and refused by berth
unless the policy allows it; [policy.md](policy.md) says how.""",
        ("what reaches past the container",),
        r"^<id\d+>$", error(r"berth: .*\n= 1$")),
    Difference(
        *LIMITS,
        ("a container with much in it", "a container with nothing in it",
         "a container that shares another's"),
        r'"PidsLimit": ?null', r'"PidsLimit": ?8192'),
    Difference(
        *LIMITS,
        ("a container with much in it", "a container with nothing in it",
         "a container that shares another's"),
        rf"({LOG_CONFIG})\}}",
        rf'({LOG_CONFIG})\n? *"max-file": ?"2",\n? *"max-size": ?"104857600"'
        r"\n? *\}"),
    Difference(*LIMITS, ("statistics",),
               r'("current": "int")\n', r'("current": "int"),\n +"limit": "int"\n'),
    Difference(*NETWORK, ("what a container sees of itself",
                          "names on the default network"),
               r"(?:^# nobody to ask\n\n)?^nameserver <[\s\S]*?(?=^\$|\Z)",
               r"^nameserver 127\.0\.0\.11\n[\s\S]*?(?=^\$|\Z)"),
    Difference(*NETWORK, ("the networks that are always there",),
               r'("Options": \{\n) +"com.docker.network.bridge.default_bridge": '
               r'"true",\n',
               r'("Options": \{\n)(?= +"com.docker.network.bridge.enable_icc": '
               r'"true")'),
    Difference(*NETWORK, ("the networks that are always there",),
               r'("com.docker.network.bridge.host_binding_ipv4": ".*",\n)'
               r' +"com.docker.network.bridge.name": "docker0",\n',
               r'("com.docker.network.bridge.host_binding_ipv4": ".*",\n)'),
    Difference(*NETWORK, ("what a link leaves in the container",),
               r"^<address1>\tdb <short1> first\n<address2>\t<short2>\n"
               r"DB_NAME=/linked/db$",
               r"^<address1>\t<short1>\n= 1$"),
    Difference(
        "Names of addresses",
        """\
A name server finds the address of every name that a runner gave. The other way
round, from an address to a name, it tells the engine's name for the container,
which has the runner's namespace in front.""",
        ("names the other way round",),
        r"name = web\.app", r"name = (?:\w+)\.web\.(?:\w+)\.app"),
    Difference(*BUILDS, ("builds that fail",),
               r"^going\n",
               r"^going\n(?: ---> Removed|Removing) intermediate container .*\n"),
    Difference(*BUILDS, ("builds that fail",),
               r"(wc -l\n)1$", r"(wc -l\n)0$"),
    Difference(*SHARED, ("an image without labels", "an image"),
               '("LastTagTime": )"<time>"',
               '("LastTagTime": )"0001-01-01T00:00:00Z"'),
    Difference(
        "The image that docker ps shows",
        """\
Lists show the image of a container by the name that it was created with. Once
that name is on another image, or gone, an engine shows the ID instead.""",
        ("an image in use",), r"^(user )<short\d>$", r"^(user )acme/app:v1$"),
    Difference(
        "Archives that are none",
        """\
`docker load` of what is no archive of images, or one in which names are that
no runner may give, is an error in berth's words.""",
        ("save and load",), r"^! .*unexpected EOF$",
        r"^! Error response from daemon: berth: the archive of images .*$"),
    Difference(
        "The cache of builds",
        """\
What the steps of builds left in the engine's cache is used by the runners of one
group (`build.cache`), and has no owner on the engine: it is neither counted nor
pruned through berth.""",
        ("pruning the build cache",), r"^Total reclaimed space:\s+[1-9].*",
        r"^Total reclaimed space:\s+0B"),
    Difference(*EVENTS, ("events that name no object",),
               r"^create\n(?=mount$)", r"^(?=mount$)"),
    Difference(*EVENTS, ("events that name no object",),
               r"(wc -l\n)1$", r"(wc -l\n)0$"),
    Difference(*EVENTS, ("image events",),
               r"^(tag acme/evented:v1)\nuntag sha256:<id\d>$",
               r"^(tag acme/evented:v1)$"),
    Difference(
        "What docker top may ask",
        """\
An engine gives the words behind `docker top CONTAINER` to the host's `ps`, and
takes its rows apart by where the title `PID` is. Words that would put
another column's text there could tell what other containers' processes were
called with. So only options and lower-case columns are let through, and `pid`
comes before every column that can hold blanks: `-ef`, `aux` and `-eo pid,args`
work, `-eo args,pid` is refused.""",
        ("processes",), error(r"ps: error: .*"), error(r"berth: ps gets .*")),
    Difference(
        "What runners of one engine notice of each other",
        """\
Some things an engine has only once. A port of the host
(`-p 8080:80`) and a subnet (`--subnet`) are taken by whoever comes first; `-p
80` and networks without a subnet always work. Who pushes the name that another
pushes at the same moment waits, or is told. And an engine prunes one kind of
thing at a time: a prune waits for another runner's to end."""),
]


def mask(text, pattern, word):
    """TEXT with WORD where it is like PATTERN, and how often that is."""
    return re.subn(
        pattern, lambda m: (m.group(1) if m.re.groups else "") + word, text,
        flags=re.M)


def allow(title, engine, direct, through):
    """Both texts without the differences that are allowed in the scenario of
    this TITLE; and the rows that are of no use here."""
    unused = []
    for number, d in enumerate(DIFFERENCES):
        if title not in d.scenarios or d.engine not in ("", engine):
            continue
        word = f"<allowed {number}>"
        direct, there = mask(direct, d.direct, word)
        through, here = mask(through, d.through, word)
        if not there or not here:
            unused.append(d)
    return direct, through, unused


def document():
    told = {}
    for d in DIFFERENCES:
        told.setdefault((d.what, d.why), d)
    return INTRO + "".join(f"\n## {what}\n\n{why}\n" for what, why in told)


def main(args):
    if args == ["--check"]:
        if DOCUMENT.read_text() == document():
            return 0
        print(f"{DOCUMENT} is not what {__file__} makes: run it",
              file=sys.stderr)
        return 1
    DOCUMENT.write_text(document())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
