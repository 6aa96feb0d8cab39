#include "policy/config/host_path.h"

#include <errno.h>

#include "policy/base/limits.h"

const char *path_fault(struct str text)
{
    struct str rest, part;

    if (text.len == 0 || text.ptr[0] != '/')
        return "is not absolute";
    if (text.len > LIMIT_PATH)
        return "is too long";
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return "has a control character in it";
    }
    rest = str_from_index(text, 1);
    while (rest.len) {
        str_cut(rest, '/', &part, &rest);
        if (part.len == 0)
            return "has \"//\" in it";
        if (str_eq(part, S(".")) || str_eq(part, S("..")))
            return "has \".\" or \"..\" in it";
    }
    return NULL;
}

struct str path_trim(struct str path)
{
    return path.len > 1 && path.ptr[path.len - 1] == '/'
               ? str_head(path, path.len - 1)
               : path;
}

bool path_is_within(struct str path, struct str directory)
{
    if (str_eq(directory, S("/")))
        return str_has_prefix(path, directory);
    return str_has_prefix(path, directory) &&
           (path.len == directory.len || path.ptr[directory.len] == '/');
}

bool path_is_engine_socket(struct str path)
{
    static const struct str names[] = {
        STR("docker.sock"),      STR("docker.raw.sock"),
        STR("containerd.sock"),  STR("containerd.sock.ttrpc"),
        STR("podman.sock"),      STR("crio.sock"),
        STR("buildkitd.sock"),   STR("dockershim.sock"),
        STR("cri-dockerd.sock"),
    };
    struct str last = path_trim(path);

    for (size_t i = last.len; i > 0; i--) {
        if (last.ptr[i - 1] == '/') {
            last = str_from_index(last, i);
            break;
        }
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_eq_nocase(last, names[i]))
            return true;
    }
    return false;
}

const struct mount_rule *mount_rule_find(const struct objects *mounts,
                                         struct str path)
{
    const struct mount_rule *rules = mounts->items, *best = NULL;
    size_t longest = 0;

    for (size_t i = 0; i < mounts->count; i++) {
        struct str source = path_trim(str_from(rules[i].source));

        if (path_is_within(path, source) && source.len > longest) {
            best = &rules[i];
            longest = source.len;
        }
    }
    return best;
}

int mount_rule_map(const struct mount_rule *rule, struct str path,
                   struct strbuf *out)
{
    struct str source = path_trim(str_from(rule->source));
    struct str host = rule->host ? path_trim(str_from(rule->host)) : source;
    struct str rest = str_from_index(path, source.len);

    if (str_eq(source, S("/")))
        rest = path; /* "/a" under "/" is "/a" under any other */
    if (str_eq(host, S("/")) && rest.len)
        host = S("");
    if (str_eq(rest, S("/")) && host.len)
        rest = S("");
    return strbuf_add(out, host) ? -ENOBUFS : strbuf_add(out, rest);
}
