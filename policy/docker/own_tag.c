#include "policy/docker/own_tag.h"

#include <errno.h>

#include "policy/docker/namespace.h"

#define ANCHOR_HOST    ".anchor." OWN_TAG_DOMAIN
#define TAG_HOST       "." OWN_TAG_DOMAIN
#define DIGEST_HOST    ".digest." OWN_TAG_DOMAIN
#define MARK_HOST      "push." OWN_TAG_DOMAIN
#define COMPANION_HOST "companion." OWN_TAG_DOMAIN
#define HEX_HOST       "hex__"

/* ---- words that are taken ---- */

static bool has_suffix_nocase(struct str text, struct str suffix)
{
    return text.len >= suffix.len &&
           str_eq_nocase(str_from_index(text, text.len - suffix.len), suffix);
}

bool own_tag_is_reserved(const struct image_ref *ref)
{
    struct str rest = ref->name, part, port;
    bool more = true;

    while (more) {
        more = str_cut(rest, '/', &part, &rest);
        str_cut(part, ':', &part, &port);
        if (str_eq_nocase(part, S(OWN_TAG_DOMAIN)) ||
            has_suffix_nocase(part, S(TAG_HOST)))
            return true;
    }
    return false;
}

bool own_tag_is_ambiguous(const struct image_ref *ref)
{
    static const struct str words[] = {
        STR("docker.io/library/sha256"),
        STR("docker.io/library/sha384"),
        STR("docker.io/library/sha512"),
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (str_eq(ref->name, words[i]))
            return true;
    }
    return false;
}

bool own_tag_namespace_is_reserved(struct str ns)
{
    return str_eq(ns, S("push")) || str_eq(ns, S(LEFT_NAMESPACE)) ||
           str_eq(ns, S("companion"));
}

/* ---- a registry's host as a part of a path, and back ---- */

static bool is_plain(struct str host)
{
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '.' &&
            c != '-')
            return false;
    }
    return host.len > 0;
}

static int put_hex(struct strbuf *out, struct str text)
{
    int r = strbuf_add(out, S(HEX_HOST));

    for (size_t i = 0; r == 0 && i < text.len; i++)
        r = strbuf_addf(out, "%02x", (unsigned char)text.ptr[i]);
    return r;
}

static int put_host(struct strbuf *out, struct str text)
{
    struct str host, port;
    bool has_port = str_cut(text, ':', &host, &port);
    int r;

    if (!is_plain(host))
        return put_hex(out, text);
    r = strbuf_add(out, host);
    if (r == 0 && has_port)
        r = strbuf_add_char(out, '_');
    return r ? r : strbuf_add(out, port);
}

static int read_hex(struct strbuf *out, struct str hex)
{
    int r = hex.len % 2 ? -EINVAL : 0;

    for (size_t i = 0; r == 0 && i < hex.len; i += 2) {
        int high = hex_digit(hex.ptr[i]), low = hex_digit(hex.ptr[i + 1]);

        r = high < 0 || low < 0 ? -EINVAL
                                : strbuf_add_char(out, (char)(high * 16 + low));
    }
    return r;
}

/* Whether PART is what put_host wrote is seen when it is written again. */
static int read_host(struct strbuf *out, struct str part)
{
    struct str host, port;
    int r;

    if (str_has_prefix(part, S(HEX_HOST)))
        return read_hex(out, str_from_index(part, sizeof(HEX_HOST) - 1));
    r = strbuf_add(out, str_cut(part, '_', &host, &port) ? host : part);
    if (r == 0 && port.len)
        r = strbuf_add_char(out, ':');
    return r ? r : strbuf_add(out, port);
}

/* ---- what is behind our host ---- */

static struct str without_library(struct str name)
{
    struct str library = S("docker.io/library/");
    struct str rest = str_from_index(name, library.len);

    return str_has_prefix(name, library) && str_find(rest, '/') < 0 ? rest
                                                                    : S("");
}

static int put_suffix(struct strbuf *out, const struct image_ref *ref)
{
    int r = 0;

    if (ref->tag.len)
        r = strbuf_addf(out, ":%.*s", STR_FMT(ref->tag));
    if (r == 0 && ref->digest.len)
        r = strbuf_addf(out, "@%.*s", STR_FMT(ref->digest));
    return r;
}

static int put_path(struct strbuf *out, struct str name)
{
    struct str host, path, official = without_library(name);
    int r;

    if (official.len)
        return strbuf_add(out, official);
    str_cut(name, '/', &host, &path);
    r = put_host(out, host);
    if (r == 0)
        r = strbuf_add_char(out, '/');
    return r ? r : strbuf_add(out, path);
}

static int put_rest(struct strbuf *out, const struct image_ref *ref)
{
    int r = put_path(out, ref->name);

    return r ? r : put_suffix(out, ref);
}

/* OUT as it was after a failure, so that nothing half written is left. */
static int undo_on_error(struct strbuf *out, size_t before, int r)
{
    if (r)
        out->len = before;
    return r;
}

int own_tag_put(struct strbuf *out, struct str ns, const struct image_ref *ref)
{
    size_t before = out->len;
    int r = strbuf_addf(out, "%.*s" TAG_HOST "/", STR_FMT(ns));

    return undo_on_error(out, before, r ? r : put_rest(out, ref));
}

int own_push_mark_put(struct strbuf *out, const struct image_ref *ref)
{
    size_t before = out->len;
    int r = strbuf_add(out, S(MARK_HOST "/"));

    return undo_on_error(out, before, r ? r : put_rest(out, ref));
}

int own_digest_put(struct strbuf *out, struct str ns,
                   const struct image_ref *ref)
{
    struct str algorithm = S("sha256:");
    size_t before = out->len;
    int r;

    if (!str_has_prefix(ref->digest, algorithm))
        return -EINVAL;
    r = strbuf_addf(out, "%.*s" DIGEST_HOST "/", STR_FMT(ns));
    if (r == 0)
        r = put_path(out, ref->name);
    if (r == 0)
        r = strbuf_addf(out, ":%.*s",
                        STR_FMT(str_from_index(ref->digest, algorithm.len)));
    return undo_on_error(out, before, r);
}

int own_anchor_put(struct strbuf *out, struct str ns, struct str id)
{
    struct str algorithm = S("sha256:");

    if (str_has_prefix(id, algorithm))
        id = str_from_index(id, algorithm.len);
    if (!is_full_id(id))
        return -EINVAL;
    return strbuf_addf(out, "%.*s" ANCHOR_HOST "/image:%.*s", STR_FMT(ns),
                       STR_FMT(id));
}

int own_anchor_put_new(struct strbuf *out, struct str ns, uint64_t random)
{
    return strbuf_addf(out, "%.*s" ANCHOR_HOST "/new:%016llx", STR_FMT(ns),
                       (unsigned long long)random);
}

/* ---- and back ---- */

static bool is_word_of_ours(struct str ns)
{
    return ns.len > 0 && str_find(ns, '.') < 0;
}

/* Cut HOST at SUFFIX; what is before it is a namespace. */
static bool cut_host(struct str host, struct str suffix, struct str *ns)
{
    if (!str_has_suffix(host, suffix))
        return false;
    *ns = str_head(host, host.len - suffix.len);
    return is_word_of_ours(*ns);
}

struct own_name own_name_read(struct str name)
{
    struct own_name own = {.kind = OWN_NAME_ODD};
    struct str host, port, bare;

    if (!str_cut(name, '/', &host, &own.rest))
        return (struct own_name){.kind = OWN_NAME_REAL};
    str_cut(host, ':', &bare, &port);
    if (!str_eq_nocase(bare, S(OWN_TAG_DOMAIN)) &&
        !has_suffix_nocase(bare, S(TAG_HOST)))
        own.kind = OWN_NAME_REAL;
    else if (str_eq(host, S(MARK_HOST)))
        own.kind = OWN_NAME_MARK;
    else if (str_eq(host, S(COMPANION_HOST)))
        own.kind = OWN_NAME_ODD;
    else if (cut_host(host, S(ANCHOR_HOST), &own.ns))
        own.kind = OWN_NAME_ANCHOR;
    else if (cut_host(host, S(DIGEST_HOST), &own.ns))
        own.kind = OWN_NAME_DIGEST;
    else if (cut_host(host, S(TAG_HOST), &own.ns))
        own.kind = OWN_NAME_TAG;
    return own;
}

bool own_name_is_of(struct str name, struct str ns)
{
    struct own_name own = own_name_read(name);

    return (own.kind == OWN_NAME_TAG || own.kind == OWN_NAME_ANCHOR ||
            own.kind == OWN_NAME_DIGEST) &&
           str_eq(own.ns, ns);
}

int image_ref_put(struct strbuf *out, const struct image_ref *ref,
                  enum image_form form)
{
    struct str hub = S("docker.io/"), official = without_library(ref->name);
    size_t before = out->len;
    struct str name = ref->name;

    if (form == IMAGE_SHORT && official.len)
        name = official;
    else if (form == IMAGE_SHORT && str_has_prefix(name, hub))
        name = str_from_index(name, hub.len);
    if (strbuf_add(out, name) || put_suffix(out, ref))
        return undo_on_error(out, before, -ENOBUFS);
    return 0;
}

/* REST, "localhost_5000/app:1", as a full name in TEXT. */
static int put_full(struct strbuf *text, struct str rest)
{
    struct str part, path;
    int r;

    if (!str_cut(rest, '/', &part, &path))
        r = strbuf_addf(text, "docker.io/library/%.*s", STR_FMT(rest));
    else if ((r = read_host(text, part)) == 0)
        r = strbuf_addf(text, "/%.*s", STR_FMT(path));
    return r;
}

/* Is REST what we make of REF? */
static bool is_written_so(const struct image_ref *ref, struct str rest)
{
    AUTO(strbuf_fini) struct strbuf again = STRBUF(OWN_TAG_MAX);

    return put_rest(&again, ref) == 0 && str_eq(strbuf_str(&again), rest);
}

static int read_rest(struct strbuf *out, struct str rest, enum image_form form)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(OWN_TAG_MAX);
    struct image_ref ref;

    if (put_full(&text, rest) || image_ref_parse(strbuf_str(&text), &ref) ||
        own_tag_is_reserved(&ref) || !is_written_so(&ref, rest))
        return OWN_TAG_E_FOREIGN;
    return image_ref_put(out, &ref, form);
}

int own_tag_read(struct strbuf *out, struct str ns, struct str name,
                 enum image_form form)
{
    struct own_name own = own_name_read(name);

    if (own.kind != OWN_NAME_TAG || !str_eq(own.ns, ns))
        return OWN_TAG_E_FOREIGN;
    return read_rest(out, own.rest, form);
}

int own_digest_read(struct strbuf *out, struct str ns, struct str name,
                    enum image_form form)
{
    AUTO(strbuf_fini) struct strbuf rest = STRBUF(OWN_TAG_MAX);
    struct own_name own = own_name_read(name);
    struct str path = image_ref_untagged(own.rest);
    struct str hex = str_from_index(own.rest, path.len + 1);

    if (own.kind != OWN_NAME_DIGEST || !str_eq(own.ns, ns) ||
        !is_full_id(hex) ||
        strbuf_addf(&rest, "%.*s@sha256:%.*s", STR_FMT(path), STR_FMT(hex)))
        return OWN_TAG_E_FOREIGN;
    return read_rest(out, strbuf_str(&rest), form);
}

int own_push_mark_read(struct strbuf *out, struct str name,
                       enum image_form form)
{
    struct own_name own = own_name_read(name);

    if (own.kind != OWN_NAME_MARK)
        return OWN_TAG_E_FOREIGN;
    return read_rest(out, own.rest, form);
}

/* ---- in sentences ---- */

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9');
}

static bool is_of_name(char c)
{
    return is_alnum(c) || c == '.' || c == '_' || c == '-' || c == '/' ||
           c == ':' || c == '@';
}

/* The run of characters at TEXT's start that a name can have, without the
 * punctuation of the sentence behind it. */
static struct str name_at(struct str text)
{
    size_t len = 0;

    while (len < text.len && is_of_name(text.ptr[len]))
        len++;
    while (len > 0 && !is_alnum(text.ptr[len - 1]))
        len--;
    return str_head(text, len);
}

/* Append the runner's words for the own tag that NAME is or begins with: in
 * "app:1:12", 12 may be a line of a file. *TAKEN: how much of it was read. */
static int restore_name(struct strbuf *out, struct str ns, struct str name,
                        size_t *taken)
{
    for (int turn = 0; turn < 3; turn++) {
        int r = own_tag_read(out, ns, name, IMAGE_SHORT);
        struct str rest;

        *taken = name.len;
        if (r != OWN_TAG_E_FOREIGN)
            return r;
        if (!str_cut(name, '@', &name, &rest))
            name = image_ref_untagged(name);
    }
    *taken = 0;
    return 0;
}

int own_tag_restore_text(struct strbuf *out, struct str ns, struct str text)
{
    AUTO(strbuf_fini) struct strbuf host = STRBUF(OWN_TAG_MAX);
    size_t before = out->len, i = 0, from = 0, taken;
    int r = strbuf_addf(&host, "%.*s" TAG_HOST "/", STR_FMT(ns));

    while (r == 0 && i < text.len) {
        bool starts = i == 0 || (!is_alnum(text.ptr[i - 1]) &&
                                 !strchr("._-", text.ptr[i - 1]));

        if (!starts ||
            !str_has_prefix(str_from_index(text, i), strbuf_str(&host))) {
            i++;
            continue;
        }
        r = strbuf_add(out, str_of(text.ptr + from, i - from));
        from = i;
        if (r == 0)
            r = restore_name(out, ns, name_at(str_from_index(text, i)), &taken);
        if (r)
            break;
        i += taken ? taken : host.len;
        from = taken ? i : from;
    }
    if (r == 0)
        r = strbuf_add(out, str_from_index(text, from));
    return undo_on_error(out, before, r);
}
