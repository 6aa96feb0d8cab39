#!/bin/sh
# What berth's image holds besides the program: for the Dockerfile. Into IMAGE,
# which has usr/bin/berth, go the libraries that it needs, what Debian says
# about their packages (licences, and the versions that scanners look for), and
# names for its user. OWNED gets the directories that it writes to.
set -eu
image=$1 owned=$2

ldd "$image/usr/bin/berth" | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p "$image${library%/*}"
    cp --dereference "$library" "$image$library"
    dpkg --search "$(realpath "$library")" | cut -d: -f1
done | sort --unique >/tmp/packages
mkdir -p "$image/var/lib/dpkg/status.d"
while read -r package; do
    dpkg --status "$package" >"$image/var/lib/dpkg/status.d/$package"
    mkdir -p "$image/usr/share/doc/$package"
    cp --dereference "/usr/share/doc/$package/copyright" \
        "$image/usr/share/doc/$package/"
done </tmp/packages

mkdir -p "$image/etc/berth" "$image/tmp" "$owned/run/berth" \
    "$owned/var/lib/berth"
echo 'berth:x:65532:123:berth:/var/lib/berth:/nonexistent' >"$image/etc/passwd"
echo 'docker:x:123:' >"$image/etc/group"
echo 'hosts: files dns' >"$image/etc/nsswitch.conf"
cp /etc/os-release "$image/etc/os-release"
