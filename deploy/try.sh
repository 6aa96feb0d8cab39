#!/bin/bash
# See berth at work, on a Debian 12 machine, as root: installs what it needs,
# builds berth, starts a Docker engine of its own on what looks like another
# machine (its own sshd, network and processes), puts berth in front of it, and
# runs ordinary docker commands through it. What berth put on record is shown
# beside each. Then it takes all of it down again.
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
    if [ -n "$pid" ] && grep -qsF "$1/policy.json" "/proc/$pid/cmdline"; then
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
          f"   {r['rule']}{plain}")
open(seen_path, "w").write(str(len(records)))
END
}

# Shows a command, runs it, and prints what berth put on record about it.
show()
{
    printf '%s$ %s%s\n' "$bold" "${*@Q}" "$plain" | sed "s/'\([][A-Za-z0-9_.:/=-]*\)'/\1/g"
    timeout 120 "$@" || die "\"$*\" failed"
    audit_lines
    say ''
}

# The same, for a command that berth is there to refuse.
refused()
{
    printf '%s$ %s%s\n' "$bold" "$*" "$plain"
    if timeout 120 "$@" >/dev/null 2>"$dir/said"; then
        die "\"$*\" should have been refused"
    fi
    cat "$dir/said"
    grep -q 'berth: ' "$dir/said" || die "it was not berth that refused it"
    audit_lines
    say ''
}

case ${1:-} in
'') ;;
--keep) keep=yes ;;
--stop)
    [ -e "${2:-}/policy.json" ] || die "--stop wants the directory that --keep named"
    take_down "$(realpath "$2")"
    exit 0
    ;;
*)
    sed -n '2,11s/^# \{0,1\}//p' "$0"
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
    meson setup --buildtype=release "$top/build-release" "$top" >/dev/null
ninja --quiet -C "$top/build-release"
"$berth" --version

headline "A Docker host, as if on another machine"
dir=$(mktemp -d /tmp/berth-try.XXXXXX)
"$bed" up 20.10 "$dir/bed"
# shellcheck source=/dev/null
. "$dir/bed/env"
say "Docker Engine $BED_ENGINE_VERSION, to be reached by SSH only:" \
    "$BED_SSH_URL"

headline "berth, with this policy for one runner"
cat >"$dir/policy.json" <<END
{
  "version": 1,
  "preset": "compose-tests",
  "namespace": "runner-1",
  "listen": { "path": "$dir/docker.sock" },
  "upstream": {
    "url": "$BED_SSH_URL",
    "identity": "$BED_IDENTITY",
    "known_hosts": "$BED_KNOWN_HOSTS"
  },
  "operations": { "deny": ["ContainerExport"] },
  "audit": { "to": "$dir/audit.jsonl" }
}
END
cat "$dir/policy.json"
setsid "$berth" serve --policy "$dir/policy.json" \
    </dev/null >"$dir/berth.log" 2>&1 &
pid=$!
echo "$pid" >"$dir/berth.pid"
export DOCKER_HOST="unix://$dir/docker.sock" DOCKER_CONFIG="$dir/client"
export DOCKER_BUILDKIT=0
for _ in $(seq 100); do
    [ -d "/proc/$pid" ] || die "berth ended: $(cat "$dir/berth.log")"
    ! docker version >/dev/null 2>&1 || break
    sleep 0.1
done
docker version >/dev/null || die "the engine does not answer through berth"
audit_lines >/dev/null

headline "The ordinary docker command, and what berth puts on record"
say "${dim}   | verdict, operation, the engine's answer, time, rule$plain" ''
mkdir "$dir/work"
cd "$dir/work"
printf 'FROM alpine\nCOPY greeting /greeting\nCMD ["cat", "/greeting"]\n' >Dockerfile
echo "built and run through berth" >greeting
show docker run --rm alpine echo "hello from the far side"
show docker run -d --name web -p 8080:80 alpine sh -c 'echo ready; exec sleep 600'
show docker exec web hostname
show docker logs web
show docker build --quiet --tag greeter .
show docker run --rm greeter
show docker cp greeting web:/tmp/
show docker ps --format 'table {{.Names}}\t{{.Image}}\t{{.Status}}\t{{.Ports}}'

headline "What the policy does not allow"
refused docker swarm init
refused docker export web

headline "The end"
show docker rm --force web
show docker image rm greeter
say "One of those records as it is in the audit:" ''
grep -F '"SwarmInit"' "$dir/audit.jsonl"
if [ $keep = yes ]; then
    say '' "It goes on running. To use it, and to end it:" '' \
        "    export DOCKER_HOST=unix://$dir/docker.sock" \
        "    deploy/try.sh --stop $dir" ''
else
    say '' "All of it is taken down again; --keep leaves it running."
fi
