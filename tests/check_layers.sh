#!/bin/sh
# The folders are the layers. Each may include itself and what is above it in
# the list that policy/meson.build and proxy/meson.build give (policy/ first);
# refuses an #include that points further down, a library where it does not
# belong, and a folder without a README.md.
set -eu
cd "${1:-$(dirname "$0")/..}"
wrong=0
layers=$(for top in policy proxy; do sed -n "s|^subdir('\(.*\)')|$top/\1|p" $top/meson.build; done | tr '\n' ' ')

refuse() { # WHAT the FILES may not include, as an extended regular expression
    what=$1 && shift
    ! grep -nE "^[[:space:]]*#[[:space:]]*include[[:space:]]*($what)" "$@" /dev/null || wrong=1
}

later=" $layers"
for folder in $layers; do
    later=${later#* "$folder"}
    below=$(printf '%s' "$later" | sed 's/^ *//; s/ *$//; s/ /|/g')
    refuse "\"(${below:-none})/|\"(tests/|[^/\"]*\")" "$folder"/*.[ch]
    [ -e "$folder/README.md" ] || { echo "$folder: no README.md" >&2; wrong=1; }
done
for folder in policy/*/ proxy/*/; do
    case " $layers" in *" ${folder%/} "*) ;; *) echo "$folder is in no list of layers" >&2; wrong=1 ;; esac
done

# Which files may see a library, or sockets; nothing else does.
only() { # LIBRARY, then the folders or files that may include it
    library=$1 && shift
    allowed=$(printf '|%s' "$@")
    # shellcheck disable=SC2046 # no file has a blank in its name
    refuse "$library" $(printf '%s\n' policy/*/*.[ch] proxy/*/*.[ch] | grep -vE "^(${allowed#|})")
}
only '<openssl' policy/base/sha256.c proxy/ssh/
only '<pcre2' policy/isolation/name_pattern.c
only '<(bzlib|lzma|zlib|zstd)' proxy/archive/unpack_codec.
only '<http_parser' proxy/http/http_reader.c
only '<nghttp2' proxy/grpc/h2_private.h
only '<libssh2' proxy/ssh/ proxy/cli/ proxy/server/metrics_feed.c
only '<(event2/|evutil|event\.h)' proxy/net/ proxy/upstream/ proxy/ssh/ proxy/near/ proxy/companion_link/ proxy/files_link/ proxy/metrics/ proxy/server/ proxy/cli/
only '<(sys/(socket|epoll|select|poll)\.h|poll\.h|netdb\.h)' proxy/net/ proxy/upstream/ proxy/ssh/ proxy/near/ proxy/companion/ proxy/companion_link/ proxy/files_link/ proxy/metrics/ proxy/sandbox/ proxy/server/ proxy/cli/
[ $wrong = 0 ] || echo "these are not how the layers are meant" >&2
exit $wrong
