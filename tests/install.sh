#!/bin/bash
# Put on a Debian 12 machine what building, trying and testing berth needs.
# Run as root; run again at any time: what is there already costs a moment.
#
#   tests/install.sh build    what building it needs
#   tests/install.sh try      and a Docker engine, for deploy/try.sh
#   tests/install.sh check    what building, unit tests and checks need
#   tests/install.sh trixie   and a Debian 13 to build in
#   tests/install.sh bench    an engine, and what tests/bench/run measures
#   tests/install.sh package  a Debian with nothing in it to install berth in
#   tests/install.sh          all, with every engine and all their clients
#
# Outside of dpkg's files it writes to one directory only, $BERTH_TEST_CACHE
# (/var/cache/berth-test): Debian 13 trees, one with the newer engine and its
# clients, one with Podman, one to build in; a Debian 12 tree with nothing in
# it; the engine and clients of Debian's next release, unpacked; the npm
# clients of tests/e2e/package.json; and a newer Node.js for them.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=${BERTH_TEST_CACHE:-/var/cache/berth-test}
export DEBIAN_FRONTEND=noninteractive

libraries=(libevent-dev libssh2-1-dev libssl-dev libhttp-parser-dev
    libjansson-dev libnghttp2-dev libpcre2-dev libseccomp-dev zlib1g-dev
    libbz2-dev liblzma-dev libzstd-dev)
build=(gcc libc6-dev meson ninja-build pkg-config python3 "${libraries[@]}")
check=(clang lld libclang-rt-14-dev libcmocka-dev valgrind clang-tidy clang-format
    cppcheck shellcheck mandoc dropbear-bin iproute2 openssh-client
    openssh-server openssl procps python3-jsonschema systemd
    build-essential debhelper dpkg-dev fakeroot lintian apparmor)
engine=(docker.io docker-registry ca-certificates iptables iproute2
    busybox-static openssh-client openssh-server)
clients=(curl docker-compose python3-docker socat prometheus zstd
    buildbot buildbot-worker git rsync)
trees=(debootstrap debian-archive-keyring)
peers=(haproxy golang-go)

# What is in the Debian 13 trees.
engine_tree=(docker.io docker-cli docker-buildx docker-compose python3-docker
    docker-registry iptables iproute2 ca-certificates openssh-server)
podman_tree=(podman crun netavark aardvark-dns iptables nftables iproute2
    docker-registry ca-certificates openssh-server)
build_tree=("${build[@]}" libcmocka-dev dropbear-bin iproute2
    openssh-client openssh-server openssl procps python3-jsonschema)

# Debian 12 has Node.js 18; npm has newer ones, as packages.
nodejs=22.23.5

# What of Debian's next release is unpacked. These run on Debian 12 as they
# are; its runc would not (a newer C library), so Debian 12's is used.
next_release=(docker.io docker-cli docker-buildx docker-compose containerd)

die()
{
    echo "install.sh: $*" >&2
    exit 1
}

# Runs a command; shows what it printed only if it fails.
quietly()
{
    local log
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

missing()
{
    local p
    for p; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>&1)" = installed ] ||
            echo "$p"
    done
}

# Installs packages while services are forbidden to start: a test machine
# has no use for a system-wide dockerd, sshd or registry.
install_packages()
{
    local want rcd=/usr/sbin/policy-rc.d
    mapfile -t want < <(missing "$@")
    [ ${#want[@]} != 0 ] || return 0
    echo "install.sh: installing ${want[*]}"
    if [ ! -e "$rcd" ]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$rcd"
        chmod 755 "$rcd"
    fi
    apt_install "${want[@]}" || { sleep 5 && apt_install "${want[@]}"; } ||
        die "apt-get could not install the packages above"
}

apt_install()
{
    quietly apt-get update &&
        quietly apt-get install -y --no-install-recommends "$@"
}

# The mirror that this machine's own apt uses for Debian.
mirror()
{
    # shellcheck disable=SC2016 # apt-get fills these in
    local uri format='$(ORIGIN) $(CODENAME) $(REPO_URI)'
    uri=$(apt-get indextargets --format "$format" |
        sed -n 's/^Debian bookworm //p' | grep -v -- -security | head -n 1)
    echo "${uri:-http://deb.debian.org/debian/}"
}

# A Debian 13 root named NAME with PACKAGES. The directory's own name holds a
# hash of what is in it, so that a longer list makes a new one.
make_tree() # NAME PACKAGE...
{
    local name=$1 list
    shift
    list=$(IFS=, && echo "$*")
    make_root "$name" "$name-$(echo "$list" | sha256sum | cut -c1-12)" trixie \
        "$list"
}

# A Debian 12 root with nothing but minbase.
make_minbase()
{
    make_root minbase minbase-bookworm bookworm ""
}

make_root() # NAME DIRECTORY SUITE LIST
{
    local dir=$cache/$2 proxy
    if [ ! -d "$dir" ]; then
        echo "install.sh: making $dir"
        proxy=$(apt-config dump --format '%v' Acquire::http::Proxy)
        [ -z "$proxy" ] || export http_proxy=$proxy
        make_tree_once "$dir" "$3" "$4" ||
            { sleep 5 && make_tree_once "$dir" "$3" "$4"; } ||
            die "debootstrap failed"
    fi
    ln -sfn "$2" "$cache/$1"
}

make_tree_once() # DIR SUITE LIST
{
    rm -rf "$1.tmp"
    quietly debootstrap --variant=minbase ${3:+--include="$3"} \
        "$2" "$1.tmp" "$(mirror)" &&
        rm -rf "$1.tmp"/var/cache/apt/archives/*.deb \
            "$1.tmp"/var/lib/apt/lists/* &&
        mv -T "$1.tmp" "$1"
}

# The packages of Debian's next release, unpacked, neither installed nor
# configured: apt-get fetches them with lists, cache and state of its own. The
# directory's name holds a hash of the list; the versions are those of the day
# it was made, in its file "versions" (to renew them, remove it).
make_next()
{
    local dir
    dir=$cache/next-$(echo "${next_release[*]}" | sha256sum | cut -c1-12)
    if [ ! -d "$dir" ]; then
        echo "install.sh: making $dir"
        make_next_once "$dir" || { sleep 5 && make_next_once "$dir"; } ||
            die "Debian's next release could not be unpacked"
    fi
    ln -sfn "$(basename "$dir")" "$cache/next"
    echo "install.sh: Debian's next release has" \
        "$(sed 's/ /=/' "$cache/next/versions" | paste -sd ' ')"
}

make_next_once() # DIR
{
    local apt=$1.tmp/apt deb
    rm -rf "$1.tmp"
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/debs"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
        "$(mirror) testing main" >"$apt/sources.list"
    apt_next "$apt" update || return 1
    (cd "$apt/debs" && apt_next "$apt" download "${next_release[@]}") ||
        return 1
    for deb in "$apt"/debs/*.deb; do
        dpkg-deb -x "$deb" "$1.tmp" || return 1
        # shellcheck disable=SC2016 # dpkg-deb fills these in
        dpkg-deb -W --showformat '${Package} ${Version}\n' "$deb" \
            >>"$1.tmp/versions" || return 1
    done
    rm -rf "$apt"
    mv -T "$1.tmp" "$1"
}

apt_next() # DIR ARGUMENT...
{
    local dir=$1
    shift
    quietly apt-get -o "Dir::Etc::sourcelist=$dir/sources.list" \
        -o Dir::Etc::sourceparts=/dev/null \
        -o "Dir::State::lists=$dir/lists" -o Dir::State::status=/dev/null \
        -o "Dir::Cache=$dir/cache" -o APT::Get::List-Cleanup=0 \
        -o APT::Sandbox::User=root -o Acquire::Languages=none "$@"
}

# npm's clients; the name of their directory holds a hash of the list.
make_node_modules()
{
    local dir
    dir=$cache/node-$(sha256sum <"$here/e2e/package.json" | cut -c1-12)
    if [ ! -d "$dir" ]; then
        echo "install.sh: making $dir"
        make_node_modules_once "$dir" ||
            { sleep 5 && make_node_modules_once "$dir"; } ||
            die "npm install failed"
    fi
    ln -sfn "$(basename "$dir")" "$cache/node"
}

make_node_modules_once()
{
    rm -rf "$1.tmp"
    mkdir -p "$1.tmp"
    cp "$here/e2e/package.json" "$1.tmp/"
    # No scripts: they would only compile what is optional.
    (cd "$1.tmp" && quietly npm install --no-package-lock --no-audit \
        --no-fund --ignore-scripts) &&
        mv -T "$1.tmp" "$1"
}

# A Node.js for the newest of these clients, as npm has it. It is one big file:
# where that does not come in five minutes, what needs it is skipped.
make_node()
{
    local dir=$cache/nodejs-$nodejs
    if [ ! -d "$dir" ]; then
        echo "install.sh: making $dir"
        make_node_once "$dir" || {
            echo "install.sh: no Node.js $nodejs; scenarios for it are skipped"
            return 0
        }
    fi
    ln -sfn "$(basename "$dir")" "$cache/nodejs"
}

make_node_once()
{
    local machine=x64
    [ "$(uname -m)" != aarch64 ] || machine=arm64
    rm -rf "$1.tmp"
    mkdir -p "$1.tmp"
    quietly timeout 300 npm install --prefix "$1.tmp" --no-save \
        --no-package-lock --no-audit --no-fund --ignore-scripts \
        "node-linux-$machine@$nodejs" &&
        "$1.tmp/node_modules/.bin/node" --version >/dev/null &&
        mv -T "$1.tmp" "$1"
}

[ "$(id -u)" = 0 ] || die "run it as root"
# shellcheck source=/dev/null
. /etc/os-release
[ "${VERSION_CODENAME:-}" = bookworm ] ||
    die "it knows Debian 12 only, and this is ${PRETTY_NAME:-another system}"
mkdir -p "$cache"
# Two runs at once would make the same things.
exec 9>"$cache/lock"
flock 9

what=${1:-all}
case $what in
build) install_packages "${build[@]}" ;;
try) install_packages "${build[@]}" "${engine[@]}" ;;
check) install_packages "${build[@]}" "${check[@]}" ;;
package)
    install_packages "${build[@]}" "${check[@]}" "${trees[@]}"
    make_minbase
    ;;
trixie)
    install_packages "${build[@]}" "${check[@]}" "${trees[@]}"
    make_tree trixie-build "${build_tree[@]}"
    ;;
bench)
    install_packages "${build[@]}" "${check[@]}" "${engine[@]}" "${trees[@]}" \
        "${peers[@]}"
    make_tree trixie "${engine_tree[@]}"
    ;;
all)
    install_packages "${build[@]}" "${check[@]}" "${engine[@]}" \
        "${clients[@]}" "${trees[@]}"
    command -v npm >/dev/null || install_packages nodejs npm
    command -v kubectl >/dev/null || install_packages kubernetes-client
    make_node & # this takes the network, and the rest mostly the disk
    make_tree trixie "${engine_tree[@]}"
    make_tree podman "${podman_tree[@]}"
    make_next
    make_tree trixie-build "${build_tree[@]}"
    make_minbase
    make_node_modules
    wait
    ;;
*) die "there is no \"$what\"; see the head of this file for what there is" ;;
esac
