"""All steps of a test run, in the order in which they are begun."""
import os
import re
import shutil
from pathlib import Path

import outputs
from step import Case, Late, Step, Trouble, tail

TOP = Path(__file__).resolve().parents[2]
BUILDS = {  # name: environment and options of meson's setup
    # of what debuggers read, lines are enough for a trace
    "gcc": ({"CC": "gcc"}, ["-Dc_args=-g1"]),
    # also the fuzzers, which want clang, and what clang has to say; its linker
    # takes a third of the time
    "sanitized": ({"CC": "clang", "CC_LD": "lld"}, [
        "-Dfuzz=true", "-Db_sanitize=address,undefined", "-Db_lundef=false",
        "-Dc_args=-gline-tables-only"]),
    # what is shipped; gcc's analyzer looks on, and changes nothing in it
    "release": ({"CC": "gcc"}, [
        "-Dbuildtype=release", "-Dc_args=-fanalyzer",
        "-Dsystemd_unit_dir=/usr/local/lib/systemd/system", "-Dsbom=true"]),
}
SANITIZERS = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}
FUZZ_SECONDS = 3  # for each fuzzer
# End to end with sanitizers: where berth does much, and is ended and disturbed.
SANITIZED = ["test_archives", "test_build_attacks", "test_connect",
             "test_faults", "test_images", "test_metrics", "test_own_images",
             "test_ports", "test_reload", "test_stdio"]
# Of these, what other engines see without sanitizers: on 26.1 it is not played
# once more without them.
SANITIZED_ONLY = ["test_build_attacks", "test_images", "test_own_images"]
EXPOSURE_MAX = 16  # of a service, in the tenths of systemd-analyze


def dir_of(build):
    return f"build-tests/{build}"


# Builds


def build(name, *targets):
    env, options = BUILDS[name]
    where = dir_of(name)

    def work(run):
        if not os.path.exists(f"{run.top}/{where}/build.ninja"):
            shutil.rmtree(f"{run.top}/{where}", ignore_errors=True)
            run.call("meson", "setup", *options, where, env=env)
        run.call("ninja", "--quiet", "-C", where, *targets)
        return [Case("passed", "builds without a warning")]

    return Step("build " + name, work, limit=1200, counts=False)


# Tests in C


def fast(step, build, *words, limit=900, **env):
    def work(run):
        run.call("meson", "test", "-C", dir_of(build), "--suite", "fast",
                 "--no-rebuild", *words, env={**SANITIZERS, **env}, check=False)
        # meson puts the name of a wrapper behind
        log = "testlog-valgrind" if "--wrapper" in words else "testlog"
        return outputs.of_meson(
            f"{run.top}/{dir_of(build)}/meson-logs/{log}.json")

    return Step(step, work, ("build " + build,), limit)


# Two cores may be shared with engines and other steps.
SLOW = ("--timeout-multiplier", "3")

# What valgrind sees beside the sanitizers is what was never written to. So not
# the transcripts and the world of leases, whose thousands of runs would take half
# an hour, nor the corpus of attacks once for each preset, and a twentieth of the
# tests of chance and of every position: the sanitizers see a third of them, and
# "unit" all. Nor scripts, whose interpreter would be what it looks at; nor what
# needs openat2(), which it does not know.
VALGRIND = ("--timeout-multiplier", "10",
            "--no-suite", "transcripts", "--no-suite", "confined",
            "--no-suite", "processes", "--no-suite", "worlds",
            "--no-suite", "openat2", "--no-suite", "scripts",
            "--no-suite", "presets",
            "--wrapper", "valgrind --quiet --error-exitcode=9 "
            f"--suppressions={TOP}/tests/valgrind.supp "
            "--leak-check=full --errors-for-leak-kinds=definite,indirect "
            "--trace-children=no --exit-on-first-error=no "
            "--read-inline-info=no")


def fuzz(name):
    def work(run):
        found = f"{run.tmp}/found-{name}"
        corpus = f"{run.tmp}/corpus-{name}"
        os.mkdir(found)
        shutil.copytree(f"{run.top}/tests/fuzz/corpus/{name}", corpus)
        run.call(f"{dir_of('sanitized')}/tests/fuzz/fuzz_{name}",
                 # A seed, since a run says whether this change is good; who
                 # looks for what is new fuzzes for longer, and without.
                 "-seed=1", f"-max_total_time={FUZZ_SECONDS}", "-timeout=10",
                 "-print_final_stats=1", f"-artifact_prefix={found}/",
                 corpus, env=SANITIZERS)
        return [Case("passed", f"{name} for {FUZZ_SECONDS} seconds")]

    return Step("fuzz " + name, work, ("build sanitized",), FUZZ_SECONDS + 60)


# Tests with real programs around berth


def link(step, build):
    def work(run):
        text = run.call("python3", "tests/link/run.py",
                        f"{dir_of(build)}/tests/link", env=SANITIZERS,
                        check=False)
        return outputs.of_link(text)

    return Step(step, work, ("build " + build,), 600)


def e2e(step, build, *words, **env):
    def work(run):
        try:
            text = run.call(
                "python3", "tests/e2e/run.py", *words, check=False, env={
                    **SANITIZERS, **env,
                    "BERTH_BINARY": f"{run.top}/{dir_of(build)}/proxy/berth"})
        except Late as late:  # what it had done by then counts all the same
            return [*outputs.of_e2e(late.text), Case("failed", str(late),
                                                     tail(late.text, 20))]
        return outputs.of_e2e(text)

    # engines of several generations at once; who plays alone has one bed
    return Step(step, work, ("build " + build,), 3600,
                lanes=1 if "--engine" in words else 2)


# What can be said without running anything


def sources(top, *patterns):
    found = [str(path.relative_to(top)) for pattern in patterns
             for path in Path(top).glob(pattern)]
    if not found:
        raise Trouble("no files like " + " ".join(patterns))
    return sorted(found)


def lint(name, *argv, files=(), needs=(), limit=600):
    """One tool over all FILES; it is content or it is not."""

    def work(run):
        run.call(*argv, *(sources(run.top, *files) if files else ()))
        return [Case("passed", name)]

    return Step("lint " + name, work, needs, limit)


# Steps on a path through each function, of the analyzer's 225,000: a fifth of the
# time, and it is the one that takes nearly all of it. gcc's goes to the end.
TIDY_NODES = 25000


def clang_tidy(run):
    # A process for each file: with several, 14 stumbles over its own state.
    nodes = [f"-extra-arg={word}" for word in (
        "-Xclang", "-analyzer-config", "-Xclang", f"max-nodes={TIDY_NODES}")]
    text = run.call("run-clang-tidy", "-quiet", "-j1", "-p", dir_of("gcc"),
                    *nodes, "/(policy|proxy)/", check=False)
    if run.rc == 0:
        return [Case("passed", "clang-tidy")]
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    found = re.findall(r"^.*: (?:error|warning): .*$", plain, re.M)
    return [Case("failed", "clang-tidy", "\n".join(found) or tail(plain))]


def hardening(run):
    """What a release is built with shows in the program."""
    text = run.call("readelf", "-hldsW", dir_of("release") + "/proxy/berth")
    wanted = {
        "position-independent": r"Type: +DYN",
        "relocations read-only": r"GNU_RELRO",
        "bound at the start": r"BIND_NOW",
        "no code on the stack": r"GNU_STACK .* RW ",
        "guarded stack": r"__stack_chk_fail",
        "checked copies": r"__memcpy_chk|__memmove_chk",
    }
    return [Case("passed" if re.search(pattern, text) else "failed", what)
            for what, pattern in wanted.items()]


# Completes "berth sta" and "berth serve --pol".
COMPLETE = """
compopt() { :; }
. "$2"
COMP_WORDS=("$1" sta) COMP_CWORD=1
_berth "$1" sta "$1"
[ "${COMPREPLY[*]}" = status ] || exit 1
COMP_WORDS=("$1" serve --pol) COMP_CWORD=2
_berth "$1" --pol serve
[ "${COMPREPLY[*]}" = --policy ]
"""


def package(run):
    """Debian's package, made twice in two places."""
    first, second = f"{run.tmp}/one", f"{run.tmp}/and/two"
    for where in first, second:
        run.call("deploy/package.sh", where)
    made = sorted(Path(first).glob("*.deb"))
    same = [one.read_bytes() == (Path(second) / one.name).read_bytes()
            for one in made]
    text = run.call("lintian", "--fail-on", "error,warning",
                    *Path(first).glob("*.changes"), check=False)
    return [Case("passed" if made and all(same) else "failed",
                 "two builds of the package are the same bytes"),
            Case("failed" if run.rc else "passed",
                 "lintian accepts the package", tail(text)),
            *fresh(run, next(p for p in made if "dbgsym" not in p.name))]


def fresh(run, deb):
    """The package, where nothing else is."""
    text = run.call("tests/fresh", deb, check=False)
    return [Case("failed" if run.rc else "passed", "the package goes into a "
                 "Debian with nothing in it, and out without a trace",
                 tail(text))]


def install(run):
    """What meson installs is whole, and works."""
    run.call("meson", "install", "-C", dir_of("release"), "--no-rebuild",
             "--destdir", run.tmp)
    root = Path(run.tmp) / "usr/local"
    program = root / "bin/berth"
    policy = root / "share/doc/berth/policy.example.json"
    checks = {
        "the program says its version": [program, "--version"],
        "it likes the example": [program, "check", policy],
        "the man pages are in order":
            ["mandoc", "-T", "lint", "-W", "warning",
             root / "share/man/man1/berth.1",
             root / "share/man/man5/berth-policy.5"],
        "the bill of materials names what the program is linked to":
            ["grep", "-q", "libssh2", root / "share/berth/berth.spdx.json"],
        "bash completes a command and its options":
            ["bash", "-c", COMPLETE, "-", program,
             root / "share/bash-completion/completions/berth"],
        "the schema is there":
            ["grep", "-q", "berth", root / "share/berth/berth-policy.schema.json"],
    }
    units = root / "lib/systemd/system"
    service, socket = units / "berth@.service", units / "berth@.socket"
    # as if it were installed for good
    service.write_text(service.read_text().replace(
        "/usr/local/bin/berth", str(program)))
    checks |= {
        "systemd understands its units":
            ["systemd-analyze", "verify", "--man=no", service, socket],
        "an instance can be enabled by either of its names":
            ["systemctl", "--root", run.tmp, "enable", "berth@r1.service",
             "berth@r2.socket"],
        "AppArmor reads its profile":
            ["/usr/sbin/apparmor_parser", "--skip-kernel-load", "--skip-cache",
             "deploy/apparmor/berth"],
        "a service is shut in":
            ["systemd-analyze", "security", "--offline=yes", "--no-pager",
             f"--threshold={EXPOSURE_MAX}", service],
    }
    cases = []
    for what, argv in checks.items():
        text = run.call(*argv, check=False)
        cases.append(Case("failed" if run.rc else "passed", what, tail(text)))
    return cases


C = ["policy/**/*.c", "proxy/**/*.c", "tests/**/*.c"]
H = ["policy/**/*.h", "proxy/**/*.h", "tests/**/*.h"]
SHELL = ["tests/run", "tests/*.sh", "tests/trixie", "tests/fresh",
         "tests/bed/stage", ".ci/run", "deploy/*.sh",
         "deploy/completion/berth.bash"]
CPPCHECK = ["--enable=warning,performance,portability", "-I.",
            "--library=tests/cppcheck.cfg",
            "--inline-suppr", "--suppressions-list=tests/cppcheck.supp",
            "--quiet", "--error-exitcode=1"]
FUZZERS = sorted(p.stem.partition("_")[2] for p in TOP.glob("tests/fuzz/fuzz_*.c"))


# Debian 13, with a newer compiler and a newer libssh2


def trixie(run):
    """Built and tested there; but not what no library has a part in."""
    where = "build-tests/trixie"
    inside = "tests/trixie"
    if not os.path.exists(f"{run.top}/{where}/build.ninja"):
        shutil.rmtree(f"{run.top}/{where}", ignore_errors=True)
        run.call(inside, "meson", "setup", "-Ddebug=false", where)
    run.call(inside, "ninja", "--quiet", "-C", where)
    run.call(inside, "meson", "test", "-C", where, "--suite", "fast",
             "--no-rebuild", "--no-suite", "transcripts", "--no-suite",
             "worlds", *SLOW, check=False)
    cases = outputs.of_meson(f"{run.top}/{where}/meson-logs/testlog.json")
    return cases + outputs.of_link(run.call(
        inside, "python3", "tests/link/run.py", f"{where}/tests/link",
        check=False))


# With sanitizers; without them, and with a newer libssh2, on Debian 13.
LINK = link("link", "sanitized")
BUILD_RELEASE = build("release", "proxy/berth", "berth.spdx.json")
GROUPS = {
    # all rounds: every cut of the transcripts, every seed of the worlds; the other
    # steps have fewer
    "unit": [build("gcc"), fast("unit", "gcc", *SLOW)],
    "e2e": [build("gcc"),
            e2e("e2e", "gcc", *[word for module in SANITIZED_ONLY
                                for word in ("--except", f"26.1:{module}")])],
    "sanitized": [build("sanitized"),
                  fast("sanitized", "sanitized", "--timeout-multiplier", "5",
                       BERTH_WORLD_SEEDS="2", BERTH_FEWER_ROUNDS="3"),
                  LINK,
                  # one engine: what differs between them is none of berth's memory
                  e2e("sanitized e2e", "sanitized", "--engine", "26.1",
                      *SANITIZED, BERTH_E2E_MIB="16")],
    "link": [build("sanitized"), LINK],
    "lint": [build("gcc"),
             Step("lint clang-tidy", clang_tidy, ("build gcc",), 2400),
             BUILD_RELEASE,
             lint("cppcheck", "cppcheck", *CPPCHECK, files=C),
             lint("format", "clang-format", "--dry-run", "-Werror",
                  files=C + H),
             lint("shellcheck", "shellcheck", files=SHELL),
             lint("voice", "tests/check_voice.py")],
    "valgrind": [build("gcc"),
                 fast("valgrind", "gcc", *VALGRIND, limit=1800,
                      BERTH_FEWER_ROUNDS="20")],
    "fuzz": [build("sanitized"), *[fuzz(name) for name in FUZZERS]],
    "builds": [BUILD_RELEASE,
               Step("hardening", hardening, ("build release",)),
               Step("install", install, ("build release",)),
               Step("package", package, limit=900)],
    "trixie": [Step("trixie", trixie, limit=900)],
}

# What takes long is begun first, in this order, so that in the end no processor
# waits for another; end to end, engines are waited for, so that beside it goes
# what computes. All others follow.
ORDER = ["build gcc", "build sanitized", "trixie", "e2e", "sanitized e2e",
         "lint clang-tidy", "sanitized", "valgrind", "link", "package",
         "build release", "unit", "lint cppcheck"]
