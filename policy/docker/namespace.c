#include "policy/docker/namespace.h"

#include <ctype.h>
#include <stdio.h>

int namespace_put(struct strbuf *out, struct str ns, struct str name)
{
    size_t before = out->len;
    int r = strbuf_add(out, ns);

    if (r == 0)
        r = strbuf_add_char(out, '.');
    if (r == 0)
        r = strbuf_add(out, name);
    if (r < 0)
        out->len = before;
    return r;
}

bool namespace_has(struct str ns, struct str name)
{
    return name.len > ns.len && str_has_prefix(name, ns) &&
           name.ptr[ns.len] == '.';
}

struct str namespace_strip(struct str ns, struct str name)
{
    return namespace_has(ns, name) ? str_from_index(name, ns.len + 1) : name;
}

static bool is_one_of(struct str text, const struct str *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq(text, list[i]))
            return true;
    }
    return false;
}

bool network_is_predefined(struct str name)
{
    static const struct str names[] = {STR("bridge"), STR("host"), STR("none"),
                                       STR("default")};

    return is_one_of(name, names, sizeof(names) / sizeof(*names));
}

bool is_hex_word(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
            return false;
    }
    return text.len > 0 && text.len <= 64;
}

bool is_full_id(struct str text)
{
    return text.len == 64 && is_hex_word(text);
}

/* Docker's [a-zA-Z0-9][a-zA-Z0-9_.-]+ */
static bool is_plain_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        bool alnum = c < 0x80 && isalnum(c);

        if (!alnum && (i == 0 || !strchr("_.-", c) || c == '\0'))
            return false;
    }
    return name.len >= 2;
}

static bool is_blank(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (!isspace((unsigned char)name.ptr[i]))
            return false;
    }
    return true;
}

bool name_is_too_long(struct str ns, struct str name)
{
    return name.len + ns.len + 1 > LIMIT_NAME;
}

static int too_long(struct str ns, struct verdict *why)
{
    verdict_deny(why, 400, "namespace.name", "",
                 "this name is too long: together with its namespace it may "
                 "have %zu characters, so this one may have %zu",
                 LIMIT_NAME, LIMIT_NAME - ns.len - 1);
    return NAME_E_BAD;
}

static int check_container(struct str ns, struct str name, struct verdict *why)
{
    if (is_plain_name(name))
        return name_is_too_long(ns, name) ? too_long(ns, why) : 0;
    verdict_deny(why, 400, "namespace.name", "",
                 "Invalid container name (%.*s), only "
                 "[a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
                 STR_FMT(name));
    return NAME_E_BAD;
}

static int check_volume(struct str ns, struct str name, struct verdict *why)
{
    if (is_plain_name(name))
        return name_is_too_long(ns, name) ? too_long(ns, why) : 0;
    if (name.len == 1)
        verdict_deny(why, 400, "namespace.name", "",
                     "create %.*s: volume name is too short, names should be "
                     "at least two alphanumeric characters",
                     STR_FMT(name));
    else
        verdict_deny(why, 400, "namespace.name", "",
                     "create %.*s: \"%.*s\" includes invalid characters for a "
                     "local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" "
                     "are allowed. If you intended to pass a host directory, "
                     "use absolute path",
                     STR_FMT(name), STR_FMT(name));
    return NAME_E_BAD;
}

static int check_network(struct str ns, struct str name, struct verdict *why)
{
    if (network_is_predefined(name)) {
        /* the blank at the end is Docker's */
        verdict_deny(why, 403, "namespace.name", "",
                     "operation is not permitted on predefined %.*s network ",
                     STR_FMT(name));
        return NAME_E_BAD;
    }
    if (is_blank(name)) {
        verdict_deny(why, 400, "namespace.name", "", "invalid name: %.*s",
                     STR_FMT(name));
        return NAME_E_BAD;
    }
    return name_is_too_long(ns, name) ? too_long(ns, why) : 0;
}

int name_check(enum ref_kind kind, struct str ns, struct str name,
               struct verdict *why)
{
    if (kind == REF_NETWORK)
        return check_network(ns, name, why);
    if (kind == REF_VOLUME)
        return check_volume(ns, name, why);
    return check_container(ns, name, why);
}

bool label_is_ours(struct str key)
{
    return str_eq(key, S("berth")) ||
           str_eq_nocase(str_head(key, sizeof(LABEL_PREFIX) - 1),
                         S(LABEL_PREFIX));
}

int name_invent(struct strbuf *out, uint64_t random)
{
    static const char *const how[] = {
        "amber",  "brave",  "calm",  "deft",  "eager", "fair",  "gentle",
        "hardy",  "keen",   "light", "merry", "neat",  "open",  "plain",
        "quick",  "ready",  "sharp", "tidy",  "upper", "vivid", "warm",
        "young",  "bright", "clear", "early", "fresh", "grand", "happy",
        "lively", "proud",  "quiet", "steady"};
    static const char *const what[] = {
        "anchor", "barge", "buoy",   "canal", "coast", "crane",  "delta",
        "dock",   "ferry", "fjord",  "gale",  "gull",  "harbor", "island",
        "jetty",  "keel",  "lagoon", "lock",  "mast",  "mole",   "oar",
        "pier",   "quay",  "reef",   "sail",  "shore", "sloop",  "strait",
        "tide",   "wharf", "wake",   "yawl"};

    return strbuf_addf(out, "%s_%s_%05x", how[random % 32],
                       what[random / 32 % 32],
                       (unsigned)(random >> 10) & 0xfffff);
}

/* Can C be inside a name, so that what follows does not begin one? */
static bool is_inside_name(char c)
{
    return isalnum((unsigned char)c) || strchr("_.-", c) || (c & 0x80);
}

int namespace_strip_text(struct strbuf *out, struct str ns, struct str text)
{
    size_t i = 0, from = 0;
    int r;

    while (i < text.len) {
        bool starts = i == 0 || !is_inside_name(text.ptr[i - 1]);

        if (!starts || !namespace_has(ns, str_from_index(text, i)) ||
            i + ns.len + 1 == text.len) {
            i++;
            continue;
        }
        r = strbuf_add(out, str_of(text.ptr + from, i - from));
        if (r < 0)
            return r;
        i += ns.len + 1;
        from = i;
        /* once a word: in "r1.r1.db" the rest is the client's */
        while (i < text.len && is_inside_name(text.ptr[i]))
            i++;
    }
    return strbuf_add(out, str_from_index(text, from));
}

void namespace_address(struct str ns, char to[NAMESPACE_ADDRESS])
{
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */

    for (size_t i = 0; i < ns.len; i++) {
        hash ^= (unsigned char)ns.ptr[i];
        hash *= 0x100000001b3;
    }
    hash ^= hash >> 32;
    snprintf(to, NAMESPACE_ADDRESS, "127.%u.%u.%u", (unsigned)(1 + hash % 254),
             (unsigned)(hash / 254 % 256),
             (unsigned)(1 + hash / 254 / 256 % 254));
}
