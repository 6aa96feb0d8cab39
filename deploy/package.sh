#!/bin/bash
# Make Debian's package of berth, source and binary:
#
#   deploy/package.sh DIR
#
# needs build-essential, debhelper and what deploy/debian/control lists. It works on a
# copy in DIR, where the packages are in the end; two runs make the same bytes.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
[ $# = 1 ] || {
    echo "usage: deploy/package.sh DIR" >&2
    exit 2
}
mkdir -p "$1"
dir=$(cd "$1" && pwd)
version=$(sed -n '1s/.*(\(.*\)).*/\1/p' "$top/deploy/debian/changelog")
source=$dir/berth-$version

rm -rf "$source"
mkdir "$source"
# what a build leaves here is no source
tar --directory "$top" --create --exclude-vcs --exclude='./build*' . |
    tar --directory "$source" --extract --no-same-owner
cp -r "$source/deploy/debian" "$source/debian"
cd "$source"
dpkg-buildpackage --no-sign --build=full
rm -rf "$source"
