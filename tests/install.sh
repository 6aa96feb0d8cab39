#!/bin/bash
# Put on a Debian 12 machine everything that building and testing berth needs.
# Run as root; run again at any time: what is there already costs a moment.
#
# Outside of dpkg's files it writes to one directory only, $BERTH_TEST_CACHE
# (/var/cache/berth-test): a Debian 13 tree for the newer engine and its
# clients, and the npm clients that tests/e2e/package.json names.
# With the word "build" it stops after what building and unit tests need.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=${BERTH_TEST_CACHE:-/var/cache/berth-test}
export DEBIAN_FRONTEND=noninteractive

build=(gcc clang meson ninja-build pkg-config libevent-dev libssh2-1-dev
    libhttp-parser-dev libjansson-dev libpcre2-dev libcmocka-dev libclang-rt-14-dev
    clang-tidy clang-format cppcheck valgrind openssh-client openssh-server
    python3 python3-jsonschema)
bed=(docker.io docker-compose python3-docker docker-registry debootstrap
    debian-archive-keyring ca-certificates iptables iproute2 busybox-static
    socat)
tree=docker.io,docker-cli,docker-buildx,docker-compose,python3-docker
tree+=,docker-registry,iptables,iproute2,ca-certificates,openssh-server

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
    want=$(missing "$@")
    [ -n "$want" ] || return 0
    echo "install.sh: installing" $want
    if [ ! -e "$rcd" ]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$rcd"
        chmod 755 "$rcd"
    fi
    apt_install $want || { sleep 5 && apt_install $want; } ||
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
    local uri
    uri=$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI)' |
        sed -n 's/^Debian bookworm //p' | grep -v -- -security | head -n 1)
    echo "${uri:-http://deb.debian.org/debian/}"
}

# A Debian 13 root with the newer engine and its clients. Its name holds a
# hash of what is in it, so that a longer list makes a new one.
make_tree()
{
    local dir proxy
    dir=$cache/trixie-$(echo "$tree" | sha256sum | cut -c1-12)
    if [ ! -d "$dir" ]; then
        echo "install.sh: making $dir"
        proxy=$(apt-config dump --format '%v' Acquire::http::Proxy)
        [ -z "$proxy" ] || export http_proxy=$proxy
        make_tree_once "$dir" || { sleep 5 && make_tree_once "$dir"; } ||
            die "debootstrap failed"
    fi
    ln -sfn "$(basename "$dir")" "$cache/trixie"
}

make_tree_once()
{
    rm -rf "$1.tmp"
    quietly debootstrap --variant=minbase --include="$tree" \
        trixie "$1.tmp" "$(mirror)" &&
        rm -rf "$1.tmp"/var/cache/apt/archives/*.deb \
            "$1.tmp"/var/lib/apt/lists/* &&
        mv -T "$1.tmp" "$1"
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

[ "$(id -u)" = 0 ] || die "run it as root"
. /etc/os-release
[ "${VERSION_CODENAME:-}" = bookworm ] ||
    die "it knows Debian 12 only, and this is ${PRETTY_NAME:-another system}"

install_packages "${build[@]}"
[ "${1:-}" != build ] || exit 0

install_packages "${bed[@]}"
command -v npm >/dev/null || install_packages nodejs npm
mkdir -p "$cache"
# Two runs at once would make the same things.
exec 9>"$cache/lock"
flock 9
make_tree
make_node_modules
