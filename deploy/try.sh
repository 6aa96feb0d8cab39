#!/bin/bash
# See berth at work, on a Debian 12 machine, as root: installs what it needs,
# builds berth, starts a Docker engine of its own on what looks like another
# machine (its own sshd, network and processes), puts berth in front of it for
# two runners, and has both do the same, under the same names and ports, with
# ordinary docker commands. What berth put on record is shown beside each. Then
# it takes all of it down again.
#
#   deploy/try.sh                  show it
#   deploy/try.sh --keep           leave it running, and say how to use it
#   deploy/try.sh --stop DIR       end what --keep left running
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
bed=$top/tests/bed/bed
berth=$top/build-release/proxy/berth
keep=no dir=''

if [ -t 1 ]; then
    bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' plain=$'\e[0m'
else
    bold='' dim='' red='' plain=''
fi

say()
{
    printf '%s\n' "$@"
}

headline()
{
    printf '\n%s== %s%s\n\n' "$bold" "$1" "$plain"
}

die()
{
    printf '%stry.sh: %s%s\n' "$red" "$*" "$plain" >&2
    exit 1
}

# Ends the berth and the bed of DIR, in whatever state they are.
take_down() # DIR
{
    local pid
    pid=$(cat "$1/berth.pid" 2>/dev/null || true)
    # only if it is still the program that was started
    if [ -n "$pid" ] && grep -qsF "$1/policies" "/proc/$pid/cmdline"; then
        kill "$pid"
        while grep -qs '^State:[[:space:]][^ZX]' "/proc/$pid/status"; do
            sleep 0.05
        done
    fi
    "$bed" down "$1/bed"
    rm -rf --one-file-system "$1"
}

at_exit()
{
    local rc=$?
    trap - EXIT
    trap '' INT TERM HUP
    if [ -n "$dir" ] && { [ $rc != 0 ] || [ $keep = no ]; }; then
        [ $rc = 0 ] || tail -n 5 "$dir/berth.log" 2>/dev/null >&2 || true
        take_down "$dir"
    fi
    exit $rc
}

# Prints what the audit says since the last call, a line for each exchange.
audit_lines()
{
    python3 - "$dir/audit.jsonl" "$dir/audit.seen" "$dim" "$red" "$plain" <<'END'
import json, sys, time
path, seen_path, dim, red, plain = sys.argv[1:]
try:
    seen = int(open(seen_path).read())
except FileNotFoundError:
    seen = 0
for _ in range(40):  # streams end a moment after the command does
    records = [json.loads(line) for line in open(path)]
    ended = {r["id"] for r in records if r["event"] == "end"}
    if all(r["id"] in ended for r in records):
        break
    time.sleep(0.05)
for r in records[seen:]:
    if r["event"] != "end" or r["operation"].startswith("SystemPing"):
        continue
    color = red if r["verdict"] == "deny" else dim
    print(f"{color}   | {r['verdict']:5}  {r['operation']:20} "
          f"{r['status'] or '-':>4} {r['duration_ms']:8.1f} ms"
          f"   {r['namespace']}  {r['rule']}{plain}")
open(seen_path, "w").write(str(len(records)))
END
}

# The runner that the commands that follow are of.
as() # NUMBER
{
    runner=runner-$1
    cd "$dir/$runner"
    export DOCKER_HOST="unix://$dir/$runner.sock"
    export DOCKER_CONFIG="$dir/$runner/.docker"
}

# Shows a command, runs it, and prints what berth put on record about it.
show()
{
    printf '%s%s$ %s%s\n' "$bold" "$runner" "${*@Q}" "$plain" | sed "s/'\([][A-Za-z0-9_.:/=-]*\)'/\1/g"
    timeout 120 "$@" || die "\"$*\" failed"
    audit_lines
    say ''
}

# The same, for a command that berth is there to refuse.
refused()
{
    printf '%s%s$ %s%s\n' "$bold" "$runner" "$*" "$plain"
    if timeout 120 "$@" >/dev/null 2>"$dir/said"; then
        die "\"$*\" should have been refused"
    fi
    cat "$dir/said"
    grep -q 'berth: ' "$dir/said" || die "it was not berth that refused it"
    audit_lines
    say ''
}

# And for one that finds nothing.
not_there()
{
    printf '%s%s$ %s%s\n' "$bold" "$runner" "$*" "$plain"
    timeout 120 "$@" 2>&1 | tee "$dir/said"
    grep -q 'No such' "$dir/said" || die "there should have been no such thing"
    audit_lines
    say ''
}

case ${1:-} in
'') ;;
--keep) keep=yes ;;
--stop)
    [ -d "${2:-}/policies" ] || die "--stop wants the directory that --keep named"
    take_down "$(realpath "$2")"
    exit 0
    ;;
*)
    sed -n '2,12s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
trap at_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
[ "$(id -u)" = 0 ] || die "run it as root: it makes network namespaces and mounts"

headline "Building berth"
"$top/tests/install.sh" try
[ -e "$top/build-release/build.ninja" ] ||
    meson setup --buildtype=release -Dtests=false "$top/build-release" "$top" >/dev/null
ninja --quiet -C "$top/build-release"
"$berth" --version

headline "A Docker host, as if on another machine"
dir=$(mktemp -d /tmp/berth-try.XXXXXX)
"$bed" up 20.10 "$dir/bed"
# shellcheck source=/dev/null
. "$dir/bed/env"
say "Docker Engine $BED_ENGINE_VERSION, to be reached by SSH only:" \
    "$BED_SSH_URL"

headline "berth, with a policy for each of two runners"
mkdir "$dir/policies"
for n in 1 2; do
    mkdir "$dir/runner-$n"
    cat >"$dir/policies/runner-$n.json" <<END
{
  "version": 1,
  "preset": "compose-tests",
  "namespace": "runner-$n",
  "listen": { "path": "$dir/runner-$n.sock" },
  "upstream": {
    "url": "$BED_SSH_URL",
    "identity": "$BED_IDENTITY",
    "known_hosts": "$BED_KNOWN_HOSTS"
  },
  "ports": { "listen": ["127.0.0.$n"] },
  "operations": { "deny": ["ContainerExport"] },
  "audit": { "to": "$dir/audit.jsonl" }
}
END
    echo "hello from runner $n" >"$dir/runner-$n/index.html"
    printf 'FROM alpine\nCOPY index.html /\nCMD ["httpd", "-f", "-h", "/"]\n' \
        >"$dir/runner-$n/Dockerfile"
done
cat "$dir/policies/runner-1.json"
say '' "(Both runners are on this machine here, so each has a localhost of its own:" \
    "127.0.0.1 and 127.0.0.2.)"
setsid "$berth" serve --policy "$dir/policies" \
    </dev/null >"$dir/berth.log" 2>&1 &
pid=$!
echo "$pid" >"$dir/berth.pid"
export DOCKER_BUILDKIT=0
for n in 2 1; do
    as $n
    for _ in $(seq 100); do
        [ -d "/proc/$pid" ] || die "berth ended: $(cat "$dir/berth.log")"
        ! docker version >/dev/null 2>&1 || break
        sleep 0.1
    done
    docker version >/dev/null ||
        die "the engine does not answer through berth"
done
audit_lines >/dev/null

headline "The ordinary docker command, and what berth puts on record"
say "${dim}   | verdict, operation, the engine's answer, time, runner, rule$plain" ''
show docker run --rm alpine echo "hello from the far side"

headline "Two runners: the same image, the same name, the same port"
for n in 1 2; do
    as $n
    show docker build --quiet --tag app:1 .
    show docker run -d --name web -p 8080:80 app:1
done
for n in 1 2; do
    as $n
    show busybox wget -q -O - "http://127.0.0.$n:8080/"
done

headline "Neither sees the other"
for n in 1 2; do
    as $n
    show docker ps --format 'table {{.ID}}\t{{.Names}}\t{{.Image}}\t{{.Ports}}'
done
say "What the engine has (which no runner is shown):" ''
DOCKER_HOST="unix://$BED_SOCKET" docker ps --all \
    --format 'table {{.ID}}\t{{.Names}}\t{{.Ports}}'
say ''
as 1
other=$(DOCKER_HOST="unix://$dir/runner-2.sock" docker ps --quiet)
audit_lines >/dev/null
not_there docker rm --force "$other"

headline "What the policy does not allow"
refused docker run --rm --privileged alpine true
refused docker run --rm -v /etc:/host alpine true
refused docker export web

headline "The end"
for n in 1 2; do
    as $n
    show docker rm --force web
    show docker image rm app:1
done
say "One of those records as it is in the audit:" ''
grep -m 1 -F '"container.privileged"' "$dir/audit.jsonl"
if [ $keep = yes ]; then
    say '' "It goes on running. To use it, and to end it:" '' \
        "    export DOCKER_HOST=unix://$dir/runner-1.sock    # or runner-2.sock" \
        "    deploy/try.sh --stop $dir" ''
else
    say '' "All of it is taken down again; --keep leaves it running."
fi
