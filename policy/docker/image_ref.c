#include "policy/docker/image_ref.h"

#include <ctype.h>

#include "policy/base/pattern.h"
#include "policy/base/subnet.h"

static bool is_lower(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_word(char c)
{
    return is_lower(c) || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_hex(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!((text.ptr[i] >= '0' && text.ptr[i] <= '9') ||
              (text.ptr[i] >= 'a' && text.ptr[i] <= 'f')))
            return false;
    }
    return text.len > 0;
}

static struct str without_algorithm(struct str text)
{
    return str_has_prefix(text, S("sha256:")) ? str_from_index(text, 7) : text;
}

struct str image_ref_untagged(struct str text)
{
    for (size_t i = text.len; i-- > 0 && text.ptr[i] != '/';) {
        if (text.ptr[i] == ':')
            return str_head(text, i);
    }
    return text;
}

bool image_ref_is_id(struct str text)
{
    struct str hex = without_algorithm(text);

    return hex.len <= 64 && is_hex(hex);
}

bool image_ref_is_full_id(struct str text)
{
    return image_ref_is_id(text) && without_algorithm(text).len == 64;
}

/* One part of a path: lower-case runs with ".", "_", "__" or dashes between. */
static bool is_component(struct str text)
{
    size_t i = 0;

    while (i < text.len) {
        size_t start = i;

        while (i < text.len && is_lower(text.ptr[i]))
            i++;
        if (i == start)
            return false; /* nothing before or between separators */
        if (i == text.len)
            return true;
        if (text.ptr[i] == '.') {
            i++;
        } else if (text.ptr[i] == '_') {
            i += i + 1 < text.len && text.ptr[i + 1] == '_' ? 2 : 1;
        } else if (text.ptr[i] == '-') {
            while (i < text.len && text.ptr[i] == '-')
                i++;
        } else {
            return false;
        }
    }
    return false; /* empty, or a separator at the end */
}

static bool is_path(struct str text)
{
    struct str part;
    bool more = true;

    while (more) {
        more = str_cut(text, '/', &part, &text);
        if (!is_component(part))
            return false;
    }
    return true;
}

static bool is_host(struct str text)
{
    struct str host, port, part;
    bool more = true;
    uint64_t n;

    if (text.len && text.ptr[0] == '[') {
        if (!str_cut(str_from_index(text, 1), ']', &host, &port))
            return false;
        for (size_t i = 0; i < host.len; i++) {
            if (!isxdigit((unsigned char)host.ptr[i]) && host.ptr[i] != ':')
                return false;
        }
        if (port.len == 0)
            return host.len > 0;
        return host.len > 0 && port.ptr[0] == ':' &&
               str_to_u64(str_from_index(port, 1), &n) == 0;
    }
    if (str_cut(text, ':', &host, &port) && str_to_u64(port, &n) != 0)
        return false;
    while (more) {
        more = str_cut(host, '.', &part, &host);
        for (size_t i = 0; i < part.len; i++) {
            char c = part.ptr[i];

            if (c == '_' || !(is_word(c) || c == '-'))
                return false;
        }
        if (part.len == 0 || part.ptr[0] == '-' ||
            part.ptr[part.len - 1] == '-')
            return false;
    }
    return true;
}

static bool is_tag(struct str text)
{
    if (text.len == 0 || text.len > 128 || !is_word(text.ptr[0]))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!is_word(text.ptr[i]) && text.ptr[i] != '.' && text.ptr[i] != '-')
            return false;
    }
    return true;
}

static bool is_digest(struct str text)
{
    static const struct {
        struct str name;
        size_t digits;
    } algorithms[] = {
        {STR("sha256"), 64 },
        {STR("sha384"), 96 },
        {STR("sha512"), 128},
    };
    struct str name, digits;

    str_cut(text, ':', &name, &digits);
    for (size_t i = 0; i < 3; i++) {
        if (str_eq(name, algorithms[i].name))
            return digits.len == algorithms[i].digits && is_hex(digits);
    }
    return false;
}

bool image_host_is_registry(struct str first)
{
    if (str_eq(first, S("localhost")))
        return true;
    for (size_t i = 0; i < first.len; i++) {
        char c = first.ptr[i];

        if (c == '.' || c == ':' || (c >= 'A' && c <= 'Z'))
            return true;
    }
    return false;
}

static bool add(struct image_ref *ref, struct str text)
{
    if (text.len > IMAGE_NAME_MAX - ref->name.len)
        return false;
    memcpy(ref->text + ref->name.len, text.ptr, text.len);
    ref->name = str_of(ref->text, ref->name.len + text.len);
    return true;
}

int image_ref_parse(struct str text, struct image_ref *ref)
{
    struct str rest, digest, tag, host = S("docker.io"), first, path;
    bool digested, tagged, official;

    digested = str_cut(text, '@', &rest, &digest);
    if (rest.len == 64 && is_hex(rest))
        return IMAGE_REF_E_INVALID; /* an ID, whatever else it might be */
    if (str_cut(rest, '/', &first, &path) && image_host_is_registry(first)) {
        host = str_eq(first, S("index.docker.io")) ? S("docker.io") : first;
        rest = path;
    }
    tagged = str_cut(rest, ':', &path, &tag);
    if (!is_host(host) || !is_path(path) || (tagged && !is_tag(tag)) ||
        (digested && !is_digest(digest)))
        return IMAGE_REF_E_INVALID;
    official = str_eq(host, S("docker.io")) && str_find(path, '/') < 0;
    ref->name = S("");
    if (!add(ref, host) || !add(ref, S("/")) ||
        (official && !add(ref, S("library/"))) || !add(ref, path))
        return IMAGE_REF_E_INVALID;
    ref->tag = tag;
    ref->digest = digest;
    return 0;
}

void image_ref_complete(struct image_ref *ref)
{
    if (ref->tag.len == 0 && ref->digest.len == 0)
        ref->tag = S("latest");
}

static size_t count_parts(struct str text)
{
    size_t count = 1;

    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == '/';
    return count;
}

/* Each part of PATTERN fits the part of NAME in its place. */
static bool parts_match(struct str pattern, struct str name, bool all)
{
    struct str part, other;

    if (count_parts(pattern) > count_parts(name) ||
        (all && count_parts(pattern) != count_parts(name)))
        return false;
    while (pattern.len) {
        str_cut(pattern, '/', &part, &pattern);
        str_cut(name, '/', &other, &name);
        if (!pattern_matches(part, other))
            return false;
    }
    return true;
}

static bool matches_under(struct str prefix, struct str pattern,
                          const struct image_ref *ref, bool all)
{
    return str_has_prefix(ref->name, prefix) &&
           parts_match(pattern, str_from_index(ref->name, prefix.len), all);
}

/* Where a pattern's tag begins: behind the last colon, if no slash follows and
 * it is not the port of a registry. */
static bool cut_tag(struct str pattern, struct str *name, struct str *tag)
{
    struct str first, rest;

    for (size_t i = pattern.len; i > 0; i--) {
        if (pattern.ptr[i - 1] == '/')
            break;
        if (pattern.ptr[i - 1] != ':')
            continue;
        *name = str_head(pattern, i - 1);
        *tag = str_from_index(pattern, i);
        return str_cut(pattern, '/', &first, &rest) ||
               !image_host_is_registry(*name);
    }
    return false;
}

bool image_pattern_matches(struct str pattern, const struct image_ref *ref)
{
    struct str name = pattern, tag, first, rest;
    bool tagged, pathed;

    if (str_eq(pattern, S("*")))
        return true;
    tagged = cut_tag(pattern, &name, &tag);
    if (!tagged)
        name = pattern;
    /* beside a digest, a tag says nothing */
    else if (!pattern_matches(tag, ref->digest.len ? S("") : ref->tag))
        return false;
    pathed = str_cut(name, '/', &first, &rest);
    if (image_host_is_registry(first) ||
        (pathed && str_find(first, '*') >= 0)) {
        /* "docker.io/acme" may be all of acme's, or the official acme */
        return parts_match(name, ref->name, tagged) ||
               (str_eq(first, S("docker.io")) && count_parts(name) == 2 &&
                matches_under(S("docker.io/library/"), rest, ref, true));
    }
    return pathed ? matches_under(S("docker.io/"), name, ref, tagged)
                  : matches_under(S("docker.io/library/"), name, ref, true);
}

bool image_is_in(const struct strings *patterns, const struct image_ref *ref)
{
    for (size_t i = 0; i < patterns->count; i++) {
        if (image_pattern_matches(str_from(patterns->items[i]), ref))
            return true;
    }
    return false;
}

struct str image_pattern_registry(struct str pattern)
{
    struct str name = pattern, tag, first, rest;

    if (str_eq(pattern, S("*")) || !cut_tag(pattern, &name, &tag))
        name = pattern;
    if (!str_cut(name, '/', &first, &rest) && !image_host_is_registry(first) &&
        !str_eq(first, S("*")))
        return S("docker.io");
    return image_host_is_registry(first) || str_find(first, '*') >= 0
               ? first
               : S("docker.io");
}

/* "127", "0x7f": what a resolver may take for a part of an address. */
static bool is_number(struct str part)
{
    bool hex = part.len >= 2 && part.ptr[0] == '0' &&
               (part.ptr[1] == 'x' || part.ptr[1] == 'X');

    if (hex)
        part = str_from_index(part, 2);
    for (size_t i = 0; i < part.len; i++) {
        unsigned char c = (unsigned char)part.ptr[i];

        if (hex ? !isxdigit(c) : !isdigit(c))
            return false;
    }
    return part.len > 0 || hex;
}

static bool is_numeric(struct str name)
{
    struct str part;
    bool more = true;

    while (more) {
        more = str_cut(name, '.', &part, &name);
        if (!is_number(part))
            return false;
    }
    return true;
}

static bool ends_nocase(struct str text, struct str end)
{
    return text.len >= end.len &&
           str_eq_nocase(str_from_index(text, text.len - end.len), end);
}

bool image_host_is_local(struct str host)
{
    static const struct str ranges[] = {STR("127.0.0.0/8"), STR("0.0.0.0/8"),
                                        STR("169.254.0.0/16")};
    static const struct str names[] = {
        STR("localhost"), STR("localhost.localdomain"), STR("ip6-localhost"),
        STR("ip6-loopback")};
    struct subnet address, range;
    struct str name, port;

    if (str_has_prefix(host, S("[")))
        return true;
    str_cut(host, ':', &name, &port);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_eq_nocase(name, names[i]))
            return true;
    }
    if (!is_numeric(name))
        return ends_nocase(name, S(".localhost"));
    if (!subnet_parse(name, &address))
        return true;
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        subnet_parse(ranges[i], &range);
        if (subnet_is_within(&address, &range))
            return true;
    }
    return false;
}

bool image_may_be_fetched(const struct strings *patterns,
                          const struct image_ref *ref)
{
    struct str host, path;
    bool local;

    str_cut(ref->name, '/', &host, &path);
    local = image_host_is_local(host);
    for (size_t i = 0; i < patterns->count; i++) {
        struct str pattern = str_from(patterns->items[i]);

        if (!(local && image_pattern_is_wide(pattern)) &&
            image_pattern_matches(pattern, ref))
            return true;
    }
    return false;
}

bool image_registry_may_be_asked(const struct strings *patterns,
                                 struct str host)
{
    bool local = image_host_is_local(host);

    for (size_t i = 0; i < patterns->count; i++) {
        struct str pattern = str_from(patterns->items[i]);

        if (!(local && image_pattern_is_wide(pattern)) &&
            pattern_matches(image_pattern_registry(pattern), host))
            return true;
    }
    return false;
}

bool image_patterns_are_open(const struct strings *patterns)
{
    return strings_have(patterns, S("*"));
}
