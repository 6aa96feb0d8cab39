#!/bin/sh
# Arrows point down only: shell to core to policy to libc. Refuses an #include
# that points up. The core is what proxy/meson.build puts into proxy_core_lib.
set -eu
cd "${1:-$(dirname "$0")/..}"
wrong=0

refuse() { # WHAT the FILES may not include, as an extended regular expression
    what=$1 && shift
    ! grep -nE "^[[:space:]]*#[[:space:]]*include[[:space:]]*($what)" "$@" /dev/null || wrong=1
}

sockets='<(event2/|ev(ent|util)|libssh2|sys/(socket|epoll|select|poll)\.h|poll\.h|netdb\.h)'
for file in policy/*.[ch]; do
    refuse "$sockets|<http_parser|\"(proxy|tests)/" "$file"
    [ "$file" = policy/name_pattern.c ] || refuse '<pcre2' "$file"
done

core=$(sed -n "/^proxy_core_lib/,/^)/s/.*'\([a-z0-9_]*\)\.c'.*/\1/p" proxy/meson.build | tr '\n' ' ')
[ -n "$core" ] || { echo "proxy/meson.build: no proxy_core_lib" >&2; exit 1; }
core=" $core"

check_core() { # FILE, and the headers without a .c that it includes
    refuse "$sockets" "$1"
    # shellcheck disable=SC2013 # a header's name is one word
    for header in $(sed -n 's/^#include "proxy\/\(.*\)\.h"/\1/p' "$1"); do
        case "$core" in *" $header "*) continue ;; esac
        if [ -e "proxy/$header.c" ] || [ ! -e "proxy/$header.h" ]; then
            refuse "\"proxy/$header\.h\"" "$1"
        else
            core="$core$header "
            check_core "proxy/$header.h"
        fi
    done
}
for module in $core upstream; do
    for file in "proxy/$module".[ch]; do
        [ ! -e "$file" ] || check_core "$file"
    done
done
for file in proxy/*.[ch]; do
    [ "$file" = proxy/http_reader.c ] || refuse '<http_parser|"tests/' "$file"
done
[ $wrong = 0 ] || echo "these includes point up" >&2
exit $wrong
