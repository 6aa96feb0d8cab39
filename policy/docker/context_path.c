#include "policy/docker/context_path.h"

#include <errno.h>

/* Take the last part off what OUT has from START on. */
static int drop_part(struct strbuf *out, size_t start)
{
    if (out->len == start)
        return -EINVAL;
    while (out->len > start && out->ptr[out->len - 1] != '/')
        out->len--;
    if (out->len > start)
        out->len--; /* the slash */
    return 0;
}

int context_path_clean(struct strbuf *out, struct str path)
{
    size_t start = out->len;
    int r = path.len && memchr(path.ptr, 0, path.len) ? -EINVAL : 0;

    while (r == 0 && path.len) {
        struct str part;

        str_cut(path, '/', &part, &path);
        if (part.len == 0 || str_eq(part, S(".")))
            continue;
        if (str_eq(part, S(".."))) {
            r = drop_part(out, start);
            continue;
        }
        if (out->len > start)
            r = strbuf_add_char(out, '/');
        if (r == 0)
            r = strbuf_add(out, part);
    }
    if (r)
        out->len = start;
    return r;
}

bool context_path_is_in(struct str path, struct str folder)
{
    return path.len > folder.len && str_has_prefix(path, folder) &&
           path.ptr[folder.len] == '/';
}
