#include "policy/docker/target.h"

#include <errno.h>
#include <stdlib.h>

_Static_assert(LIMIT_SEGMENTS <= 32, "target.encoded_slashes has 32 bits");

/* A newer minor than any engine will ever have is a mistake, or an attempt. */
#define MINOR_MAX 9999

struct target_copy {
    struct target_copy *next;
    char bytes[];
};

void target_init(struct target *target)
{
    /* the big array needs no clearing: its count says what is in it */
    target->versioned = false;
    target->major = target->minor = 0;
    target->path = S("");
    target->segment_count = 0;
    target->encoded_slashes = 0;
    target->trailing_slash = false;
    target->query = NULL;
    target->query_count = target->query_room = 0;
    target->memory = (struct strbuf)STRBUF(LIMIT_HEAD);
    target->copies = NULL;
    target->copied = 0;
}

void target_fini(struct target *target)
{
    if (!target)
        return;
    while (target->copies) {
        struct target_copy *next = target->copies->next;

        free(target->copies);
        target->copies = next;
    }
    free(target->query);
    strbuf_fini(&target->memory);
    target_init(target);
}

/*
 * Take one byte off the front of *RAW, decoded; *ESCAPED says whether it was
 * written with a "%". Returns NULL, or what is wrong with it.
 */
static const char *next_byte(struct str *raw, char *byte, bool *escaped)
{
    unsigned char c = (unsigned char)raw->ptr[0];
    int high, low;

    *escaped = c == '%';
    if (*escaped) {
        high = raw->len < 3 ? -1 : hex_digit(raw->ptr[1]);
        low = raw->len < 3 ? -1 : hex_digit(raw->ptr[2]);
        if (high < 0 || low < 0)
            return "a \"%\" is not followed by two hex digits; write a "
                   "percent sign as \"%25\"";
        *byte = (char)(high << 4 | low);
        *raw = str_from_index(*raw, 3);
        return *byte ? NULL : "it holds a NUL (%00)";
    }
    if (c <= ' ' || c >= 0x7f)
        return "it holds a blank, a control byte or a byte outside ASCII; "
               "percent-encode it";
    if (c == '#')
        return "it holds a \"#\", which starts a fragment; write \"%23\"";
    *byte = (char)c;
    *raw = str_from_index(*raw, 1);
    return NULL;
}

static bool is_version_byte(char c)
{
    return c == '.' || (c >= '0' && c <= '9');
}

/* "v" and then digits and dots: what the engine takes for a version. */
static bool is_version(struct str segment)
{
    if (segment.len < 2 || segment.ptr[0] != 'v')
        return false;
    for (size_t i = 1; i < segment.len; i++) {
        if (!is_version_byte(segment.ptr[i]))
            return false;
    }
    return true;
}

/* Like the engine: no digits are 0, leading zeros do not count. */
static const char *parse_version(struct target *target, struct str version)
{
    struct str major, minor, rest;
    uint64_t number[2] = {0, 0};

    str_cut(version, '.', &major, &rest);
    str_cut(rest, '.', &minor, &rest);
    if (major.len && str_to_u64(major, &number[0]) < 0)
        return "its API version is out of range; write /v1.NN";
    if (minor.len && str_to_u64(minor, &number[1]) < 0)
        return "its API version is out of range; write /v1.NN";
    if (number[0] != 1)
        return "the major number of its API version is not 1; write /v1.NN";
    if (number[1] < API_MINOR_OLDEST)
        return "its API version is older than 1.24, the oldest that is known "
               "here; write /v1.NN, or use a newer client";
    if (number[1] > MINOR_MAX)
        return "its API version is out of range; write /v1.NN";
    target->versioned = true;
    target->major = (unsigned)number[0];
    target->minor = (unsigned)number[1];
    return NULL;
}

/* A segment is complete, and another may follow. */
static const char *end_segment(struct target *target, struct str segment,
                               bool encoded)
{
    if (segment.len == 0)
        return "it holds \"//\"; write one slash";
    if (str_eq(segment, S(".")) || str_eq(segment, S("..")))
        return "it holds a \".\" or \"..\" segment; write the path without";
    if (target->segment_count == LIMIT_SEGMENTS)
        return "it has too many segments";
    if (encoded)
        target->encoded_slashes |= UINT32_C(1) << target->segment_count;
    target->segments[target->segment_count++] = segment;
    return NULL;
}

/*
 * The version is known by the slash behind it: "/v1.44" alone is a path of one
 * segment, and so is what follows a first version.
 */
static const char *take_version(struct target *target)
{
    struct str segment = target->segments[0];
    const char *wrong = NULL;

    if (target->versioned || target->segment_count != 1 || !is_version(segment))
        return NULL;
    wrong = parse_version(target, str_from_index(segment, 1));
    target->segment_count = 0;
    target->path.ptr = segment.ptr + segment.len;
    return wrong;
}

/* Decode RAW into the memory of TARGET, which is large enough. */
static const char *parse_path(struct target *target, struct str raw)
{
    char *to = target->memory.ptr + target->memory.len;
    struct str segment;
    bool encoded = false; /* the slash before SEGMENT */
    const char *wrong;

    if (raw.len == 0 || raw.ptr[0] != '/')
        return "it does not start with \"/\"; send the path alone, the host "
               "belongs in the Host header";
    raw = str_from_index(raw, 1);
    target->path.ptr = to;
    *to++ = '/';
    segment = str_of(to, 0);
    while (raw.len) {
        bool escaped;

        wrong = next_byte(&raw, to, &escaped);
        if (wrong)
            return wrong;
        if ((unsigned char)*to < ' ' || *to == 0x7f)
            return "it holds a control byte";
        if (*to++ != '/') {
            segment.len++;
            continue;
        }
        wrong = end_segment(target, segment, encoded);
        if (!wrong && !escaped)
            wrong = take_version(target);
        if (wrong)
            return wrong;
        segment = str_of(to, 0);
        encoded = escaped;
    }
    target->trailing_slash = segment.len == 0;
    if (target->trailing_slash && encoded)
        return "it ends with an encoded slash";
    wrong = segment.len ? end_segment(target, segment, encoded) : NULL;
    if (wrong)
        return wrong;
    target->path.len = (size_t)(to - target->path.ptr);
    target->memory.len = (size_t)(to - target->memory.ptr);
    if (!str_is_utf8(target->path))
        return "it is not UTF-8 once decoded";
    return NULL;
}

/* Decode a key or value behind the last one. */
static const char *decode_query(struct target *target, struct str raw,
                                struct str *out)
{
    char *to = target->memory.ptr + target->memory.len;
    bool escaped;

    *out = str_of(to, 0);
    for (; raw.len; out->len++) {
        const char *wrong = next_byte(&raw, to + out->len, &escaped);

        if (wrong)
            return wrong;
        if (to[out->len] == '+' && !escaped)
            to[out->len] = ' ';
    }
    target->memory.len += out->len;
    return str_is_utf8(*out) ? NULL : "it is not UTF-8 once decoded";
}

/* Room for one pair more, not counted yet; NULL when there are
 * LIMIT_QUERY_PAIRS. */
static struct query_pair *next_pair(struct target *target)
{
    size_t room = target->query_room;

    if (target->query_count == LIMIT_QUERY_PAIRS)
        return NULL;
    if (target->query_count == room) {
        room = room ? 2 * room : 8;
        target->query = realloc(target->query, room * sizeof(*target->query));
        if (!target->query)
            abort();
        target->query_room = room;
    }
    target->query[target->query_count] = (struct query_pair){0};
    return &target->query[target->query_count];
}

int target_add(struct target *target, struct str key, struct str value)
{
    struct query_pair *pair = next_pair(target);

    if (!pair)
        return -ENOBUFS;
    *pair = (struct query_pair){key, value};
    target->query_count++;
    return 0;
}

static const char *parse_query(struct target *target, struct str raw)
{
    struct str pair, key, value;
    const char *wrong;

    if (str_find(raw, ';') >= 0)
        return "it holds a \";\", which some take for a separator; write "
               "\"%3B\"";
    while (raw.len) {
        struct query_pair *next;

        str_cut(raw, '&', &pair, &raw);
        if (pair.len == 0)
            continue;
        next = next_pair(target);
        if (!next)
            return "it has too many pairs";
        str_cut(pair, '=', &key, &value);
        wrong = decode_query(target, key, &next->key);
        if (!wrong)
            wrong = decode_query(target, value, &next->value);
        if (wrong)
            return wrong;
        target->query_count++;
    }
    return NULL;
}

static int refuse(struct target *target, struct verdict *why, int status,
                  const char *rule, const char *what, const char *wrong)
{
    target_fini(target);
    verdict_deny(why, status, rule, "", "The %s is refused: %s.", what, wrong);
    return TARGET_E_REFUSED;
}

int target_parse(struct target *target, struct str raw, struct verdict *why)
{
    struct str path, query;
    const char *wrong;

    target_fini(target);
    str_cut(raw, '?', &path, &query);
    if (path.len > LIMIT_PATH)
        return refuse(target, why, 414, "request.path", "path",
                      "it is too long");
    if (!strbuf_reserve(&target->memory, raw.len))
        return refuse(target, why, 414, "request.query", "query",
                      "it is too long");
    wrong = parse_path(target, path);
    if (wrong)
        return refuse(target, why, 400, "request.path", "path", wrong);
    wrong = parse_query(target, query);
    if (wrong)
        return refuse(target, why, 400, "request.query", "query", wrong);
    return 0;
}

const struct str *target_get(const struct target *target, struct str key)
{
    for (size_t i = 0; i < target->query_count; i++) {
        if (str_eq(target->query[i].key, key))
            return &target->query[i].value;
    }
    return NULL;
}

size_t target_count(const struct target *target, struct str key)
{
    size_t count = 0;

    for (size_t i = 0; i < target->query_count; i++)
        count += str_eq(target->query[i].key, key);
    return count;
}

/* The length of the white space that S starts with, by Unicode's idea of it,
 * which is Go's. */
static size_t leading_space(struct str s)
{
    static const struct str spaces[] = {
        STR(" "),
        STR("\t"),
        STR("\n"),
        STR("\v"),
        STR("\f"),
        STR("\r"),
        STR("\xc2\x85"),
        STR("\xc2\xa0"),
        STR("\xe1\x9a\x80"),
        STR("\xe2\x80\x80"),
        STR("\xe2\x80\x81"),
        STR("\xe2\x80\x82"),
        STR("\xe2\x80\x83"),
        STR("\xe2\x80\x84"),
        STR("\xe2\x80\x85"),
        STR("\xe2\x80\x86"),
        STR("\xe2\x80\x87"),
        STR("\xe2\x80\x88"),
        STR("\xe2\x80\x89"),
        STR("\xe2\x80\x8a"),
        STR("\xe2\x80\xa8"),
        STR("\xe2\x80\xa9"),
        STR("\xe2\x80\xaf"),
        STR("\xe2\x81\x9f"),
        STR("\xe3\x80\x80"),
    };

    for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++) {
        if (str_has_prefix(s, spaces[i]))
            return spaces[i].len;
    }
    return 0;
}

bool target_flag(const struct target *target, struct str key)
{
    static const struct str no[] = {
        STR(""), STR("0"), STR("no"), STR("false"), STR("none"),
    };
    const struct str *value = target_get(target, key);
    struct str word, rest;
    size_t space;

    if (!value)
        return false;
    for (word = *value; (space = leading_space(word));)
        word = str_from_index(word, space);
    /* a word of "no" ends where only space follows */
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        if (!str_eq_nocase(str_head(word, no[i].len), no[i]))
            continue;
        for (rest = str_from_index(word, no[i].len);
             (space = leading_space(rest));)
            rest = str_from_index(rest, space);
        if (rest.len == 0)
            return false;
    }
    return true;
}

static void drop_from(struct target *target, size_t at, struct str key)
{
    size_t to = at;

    for (size_t i = at; i < target->query_count; i++) {
        if (!str_eq(target->query[i].key, key))
            target->query[to++] = target->query[i];
    }
    target->query_count = to;
}

int target_set(struct target *target, struct str key, struct str value)
{
    size_t at = 0;

    while (at < target->query_count && !str_eq(target->query[at].key, key))
        at++;
    if (at == target->query_count)
        return target_add(target, key, value);
    target->query[at].value = value;
    drop_from(target, at + 1, key);
    return 0;
}

void target_drop(struct target *target, struct str key)
{
    drop_from(target, 0, key);
}

int target_copy(struct target *target, struct str s, struct str *copy)
{
    struct target_copy *new;

    if (s.len > LIMIT_HEAD - target->copied)
        return -ENOBUFS;
    new = xcalloc(1, sizeof(*new) + s.len);
    if (s.len)
        memcpy(new->bytes, s.ptr, s.len);
    new->next = target->copies;
    target->copies = new;
    target->copied += s.len;
    *copy = str_of(new->bytes, s.len);
    return 0;
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || (c && strchr("-._~", c));
}

static int put_escaped(struct strbuf *out, char c)
{
    static const char hex[] = "0123456789ABCDEF";
    const char text[] = {'%', hex[(unsigned char)c >> 4], hex[c & 15]};

    return strbuf_add(out, str_of(text, sizeof(text)));
}

int target_put_segment(struct strbuf *out, struct str s)
{
    int r = 0;

    for (size_t i = 0; i < s.len && r == 0; i++) {
        char c = s.ptr[i];
        bool plain = is_unreserved(c) || c == ':' || c == '@';

        r = plain ? strbuf_add_char(out, c) : put_escaped(out, c);
    }
    return r;
}

int target_put_query(struct strbuf *out, struct str s)
{
    int r = 0;

    for (size_t i = 0; i < s.len && r == 0; i++) {
        char c = s.ptr[i];

        if (is_unreserved(c))
            r = strbuf_add_char(out, c);
        else
            r = c == ' ' ? strbuf_add_char(out, '+') : put_escaped(out, c);
    }
    return r;
}
