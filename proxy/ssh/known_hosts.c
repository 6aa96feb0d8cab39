#include "proxy/ssh/known_hosts.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "proxy/base/base64.h"

#define DEFAULT_PORT 22
#define NAME_MAX_LEN 1024
#define HASH_MAX_LEN 256

enum marker {
    MARKER_NONE,
    MARKER_REVOKED,
    MARKER_AUTHORITY,
    MARKER_OTHER,
};

struct line {
    enum marker marker;
    struct str hosts; /* as written: a list of patterns, or one hash */
    struct str type;
    struct str key; /* base64 */
};

static struct str next_word(struct str *rest)
{
    struct str s = *rest;
    size_t n = 0;

    while (s.len && (*s.ptr == ' ' || *s.ptr == '\t'))
        s = str_from_index(s, 1);
    while (n < s.len && s.ptr[n] != ' ' && s.ptr[n] != '\t')
        n++;
    *rest = str_from_index(s, n);
    return str_head(s, n);
}

static enum marker marker_of(struct str word)
{
    if (str_eq(word, S("@revoked")))
        return MARKER_REVOKED;
    if (str_eq(word, S("@cert-authority")))
        return MARKER_AUTHORITY;
    return MARKER_OTHER;
}

/* False for empty lines, comments, and what else holds no key. */
static bool line_read(struct str text, struct line *line)
{
    if (str_has_suffix(text, S("\r")))
        text.len--;
    *line = (struct line){.hosts = next_word(&text)};
    if (line->hosts.len == 0 || *line->hosts.ptr == '#')
        return false;
    if (*line->hosts.ptr == '@') {
        line->marker = marker_of(line->hosts);
        line->hosts = next_word(&text);
    }
    line->type = next_word(&text);
    line->key = next_word(&text);
    return line->key.len > 0 && line->marker != MARKER_OTHER;
}

/* Shell-like matching with * and ?; letters of either case are alike. */
static bool matches(struct str pattern, struct str name)
{
    size_t p = 0, n = 0, star = pattern.len, retry = 0;

    while (n < name.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            retry = n;
        } else if (p < pattern.len &&
                   (pattern.ptr[p] == '?' ||
                    tolower((unsigned char)pattern.ptr[p]) ==
                        tolower((unsigned char)name.ptr[n]))) {
            p++;
            n++;
        } else if (star < pattern.len) {
            p = star + 1;
            n = ++retry;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

/* "|1|salt|hash": is HASH the HMAC-SHA1 of NAME under SALT? */
static bool hash_names(struct str hashed, struct str name)
{
    AUTO(strbuf_fini) struct strbuf salt = STRBUF(HASH_MAX_LEN);
    AUTO(strbuf_fini) struct strbuf hash = STRBUF(HASH_MAX_LEN);
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0;
    struct str first, second;

    if (!str_cut(str_from_index(hashed, 3), '|', &first, &second) ||
        base64_decode(first, &salt) < 0 || base64_decode(second, &hash) < 0)
        return false;
    if (!HMAC(EVP_sha1(), salt.ptr, (int)salt.len,
              (const unsigned char *)name.ptr, name.len, mac, &mac_len))
        return false;
    return str_eq(strbuf_str(&hash), str_of((const char *)mac, mac_len));
}

static bool names(struct str hosts, struct str name)
{
    bool found = false;
    struct str pattern;

    if (str_has_prefix(hosts, S("|1|")))
        return hash_names(hosts, name);
    while (hosts.len) {
        str_cut(hosts, ',', &pattern, &hosts);
        if (str_has_prefix(pattern, S("!"))) {
            if (matches(str_from_index(pattern, 1), name))
                return false;
        } else if (pattern.len && matches(pattern, name)) {
            found = true;
        }
    }
    return found;
}

/*
 * How the file spells HOST: in small letters, and with its port unless that is
 * 22. 0, or -ENOBUFS for a name that nobody has.
 */
static int spell(struct known_host host, struct strbuf *out)
{
    int r;

    if (host.port == DEFAULT_PORT)
        r = strbuf_add(out, host.name);
    else
        r = strbuf_addf(out, "[%.*s]:%u", STR_FMT(host.name), host.port);
    for (size_t i = 0; i < out->len; i++)
        out->ptr[i] = (char)tolower((unsigned char)out->ptr[i]);
    return r;
}

/* The next line that names NAME; TEXT moves behind it, NUMBER counts. */
static bool next_naming(struct str *text, struct str name, struct line *line,
                        unsigned *number)
{
    struct str this;

    while (text->len) {
        str_cut(*text, '\n', &this, text);
        ++*number;
        if (line_read(this, line) && names(line->hosts, name))
            return true;
    }
    return false;
}

static int check_name(struct str text, struct str name, struct str key,
                      unsigned *line_number)
{
    unsigned number = 0, matching = 0, other = 0, authority = 0;
    struct line line;

    while (next_naming(&text, name, &line, &number)) {
        bool same = str_eq(line.key, key);

        if (line.marker == MARKER_REVOKED && same) {
            *line_number = number;
            return KNOWN_HOSTS_E_REVOKED;
        }
        if (line.marker == MARKER_AUTHORITY && !authority)
            authority = number;
        else if (line.marker == MARKER_NONE && same && !matching)
            matching = number;
        else if (line.marker == MARKER_NONE && !same && !other)
            other = number;
    }
    *line_number = matching ? matching : other ? other : authority;
    if (matching)
        return 0;
    if (other)
        return KNOWN_HOSTS_E_CHANGED;
    return authority ? KNOWN_HOSTS_E_AUTHORITY : KNOWN_HOSTS_E_UNKNOWN;
}

int known_hosts_check(struct str text, struct known_host host, struct str key,
                      unsigned *line)
{
    AUTO(strbuf_fini) struct strbuf name = STRBUF(NAME_MAX_LEN);
    AUTO(strbuf_fini) struct strbuf encoded = STRBUF(LIMIT_KEY_FILE);
    unsigned plain_line;
    int r;

    *line = 0;
    if (spell(host, &name) < 0 || base64_encode(key, &encoded) < 0)
        return KNOWN_HOSTS_E_UNKNOWN;
    r = check_name(text, strbuf_str(&name), strbuf_str(&encoded), line);
    if (r != KNOWN_HOSTS_E_UNKNOWN || host.port == DEFAULT_PORT)
        return r;
    /* Like ssh: a line without a port can vouch for any port of the host, but
     * another key in it says nothing about this one. */
    host.port = DEFAULT_PORT;
    strbuf_clear(&name);
    if (spell(host, &name) < 0)
        return KNOWN_HOSTS_E_UNKNOWN;
    r = check_name(text, strbuf_str(&name), strbuf_str(&encoded), &plain_line);
    if (r != 0 && r != KNOWN_HOSTS_E_REVOKED)
        return KNOWN_HOSTS_E_UNKNOWN;
    *line = plain_line;
    return r;
}

static void add_type(struct known_hosts_types *types, struct str type)
{
    for (size_t i = 0; i < types->count; i++)
        if (str_eq(types->names[i], type))
            return;
    if (types->count < KNOWN_HOSTS_TYPES)
        types->names[types->count++] = type;
}

void known_hosts_types(struct str text, struct known_host host,
                       struct known_hosts_types *types)
{
    AUTO(strbuf_fini) struct strbuf name = STRBUF(NAME_MAX_LEN);
    struct str rest = text;
    unsigned number = 0;
    struct line line;

    types->count = 0;
    if (spell(host, &name) < 0)
        return;
    while (next_naming(&rest, strbuf_str(&name), &line, &number))
        if (line.marker == MARKER_NONE)
            add_type(types, line.type);
    if (types->count == 0 && host.port != DEFAULT_PORT) {
        host.port = DEFAULT_PORT;
        known_hosts_types(text, host, types);
    }
}
