#include "proxy/exchange/reply.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>

void engine_facts_init(struct engine_facts *facts)
{
    *facts = (struct engine_facts){.headers = STRBUF(LIMIT_HEAD)};
}

void engine_facts_fini(struct engine_facts *facts)
{
    strbuf_fini(&facts->headers);
    facts->known = false;
}

/* Headers that concern one connection or one body (RFC 9110, 7.6.1). */
static bool is_hop_by_hop(struct str name)
{
    static const struct str names[] = {
        STR("Connection"),
        STR("Keep-Alive"),
        STR("Proxy-Connection"),
        STR("Transfer-Encoding"),
        STR("TE"),
        STR("Trailer"),
        STR("Upgrade"),
        STR("Content-Length"),
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (str_eq_nocase(name, names[i]))
            return true;
    }
    return false;
}

/* The 45 of "1.45"; 0 when it is none. */
static unsigned minor_of(struct str version)
{
    struct str major, minor;
    uint64_t number = 0;

    if (!str_cut(version, '.', &major, &minor) || !str_eq(major, S("1")) ||
        str_to_u64(minor, &number) || number > 1000)
        return 0;
    return (unsigned)number;
}

/* "Docker/26.1.5+dfsg1 (linux)" */
static void learn_version(struct engine_facts *facts, const struct str *server)
{
    struct str version = server ? *server : S(""), rest;

    facts->version[0] = '\0';
    if (!str_has_prefix(version, S("Docker/")))
        return;
    str_cut(str_from_index(version, 7), ' ', &version, &rest);
    if (version.len < sizeof(facts->version))
        snprintf(facts->version, sizeof(facts->version), "%.*s",
                 STR_FMT(version));
}

bool engine_facts_learn(struct engine_facts *facts,
                        const struct http_head *head)
{
    facts->known = false;
    if (head->status != 200 || !http_head_get(head, S("Api-Version")))
        return false;
    strbuf_clear(&facts->headers);
    for (size_t i = 0; i < head->header_count; i++) {
        const struct http_header *header = &head->headers[i];

        if (is_hop_by_hop(header->name) ||
            str_eq_nocase(header->name, S("Date")) ||
            str_eq_nocase(header->name, S("Content-Type")))
            continue;
        if (http_put_header(&facts->headers, header->name, header->value))
            return false;
    }
    learn_version(facts, http_head_get(head, S("Server")));
    facts->minor = minor_of(*http_head_get(head, S("Api-Version")));
    facts->known = true;
    return true;
}

/* Our own replies are small: that they fit is our business, not a peer's. */
static void must(int r)
{
    assert(r == 0);
}

static void put_length(struct strbuf *out, uint64_t length)
{
    char text[24];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)length);
    must(http_put_header(out, S("Content-Length"), str_from(text)));
}

static void put_connection(struct strbuf *out, const struct http_head *request,
                           enum reply_connection connection)
{
    if (connection == REPLY_CLOSE)
        must(http_put_header(out, S("Connection"), S("close")));
    else if (request->minor == 0)
        must(http_put_header(out, S("Connection"), S("keep-alive")));
}

/* {"message": TEXT}, owned by the caller. */
static char *message_json(struct strbuf *text)
{
    AUTO(json_decrefp) json_t *body = json_object();

    if (!str_is_utf8(strbuf_str(text))) {
        for (size_t i = 0; i < text->len; i++) {
            if (text->ptr[i] & 0x80)
                text->ptr[i] = '?';
        }
    }
    json_object_set_new(body, "message", json_stringn(text->ptr, text->len));
    return json_dumps(body, JSON_COMPACT);
}

static void put_own_head(struct strbuf *out, const struct http_head *request,
                         int status, size_t length, unsigned retry_after,
                         enum reply_connection connection)
{
    char seconds[16];

    must(http_put_status_line(out, status, str_from(http_reason(status))));
    /* clients compare the whole value with just this */
    if (length)
        must(http_put_header(out, S("Content-Type"), S("application/json")));
    if (retry_after) {
        snprintf(seconds, sizeof(seconds), "%u", retry_after);
        must(http_put_header(out, S("Retry-After"), str_from(seconds)));
    }
    put_connection(out, request, connection);
    /* these have no body, and say no length of one (RFC 9110, 8.6) */
    if (status != 204 && status != 304)
        put_length(out, length);
    must(http_put_end_of_head(out));
}

void reply_put_message(struct strbuf *out, const struct http_head *request,
                       int status, const char *message, bool engine,
                       unsigned retry_after, enum reply_connection connection)
{
    AUTO(strbuf_fini)
    struct strbuf text = STRBUF(LIMIT_ERROR_TEXT + sizeof("berth: "));
    char *body;

    must(strbuf_addf(&text, "%s%.*s",
                     engine ? "" : "berth: ", (int)LIMIT_ERROR_TEXT, message));
    body = message_json(&text);
    put_own_head(out, request, status, strlen(body) + 1, retry_after,
                 connection);
    if (request->method != METHOD_HEAD)
        must(strbuf_addf(out, "%s\n", body));
    free(body);
}

void reply_put_json(struct strbuf *out, const struct http_head *request,
                    int status, struct str body,
                    enum reply_connection connection)
{
    put_own_head(out, request, status, body.len, 0, connection);
    if (request->method != METHOD_HEAD)
        must(strbuf_add(out, body));
}

void reply_put_ping(struct strbuf *out, const struct http_head *request,
                    const struct engine_facts *facts, bool classic,
                    enum reply_connection connection)
{
    struct str lines = strbuf_str(&facts->headers), line;
    bool head = request->method == METHOD_HEAD;

    must(http_put_status_line(out, 200, S("OK")));
    while (str_cut(lines, '\n', &line, &lines)) {
        if (classic && str_has_prefix(line, S("Builder-Version:")))
            line = S("Builder-Version: 1\r");
        must(strbuf_add(out, line));
        must(strbuf_add_char(out, '\n'));
    }
    must(http_put_header(out, S("Content-Type"),
                         S("text/plain; charset=utf-8")));
    put_connection(out, request, connection);
    put_length(out, head ? 0 : 2);
    must(http_put_end_of_head(out));
    if (!head)
        must(strbuf_add(out, S("OK")));
}

enum reply_framing reply_framing(const struct http_head *request,
                                 const struct http_head *reply)
{
    switch (reply->body) {
    case HTTP_BODY_NONE:
        return REPLY_FRAMING_NONE;
    case HTTP_BODY_SIZED:
        return REPLY_FRAMING_SIZED;
    case HTTP_BODY_CHUNKED:
    case HTTP_BODY_EOF:
        break;
    }
    return request->minor == 0 ? REPLY_FRAMING_RAW : REPLY_FRAMING_CHUNKED;
}

/* The status line, and the headers that are not ours to write. */
static int put_end_to_end(struct strbuf *out, const struct http_head *reply)
{
    int r = http_put_status_line(out, reply->status, reply->reason);

    for (size_t i = 0; r == 0 && i < reply->header_count; i++) {
        const struct http_header *header = &reply->headers[i];

        if (!is_hop_by_hop(header->name) &&
            !http_head_has_token(reply, S("Connection"), header->name))
            r = http_put_header(out, header->name, header->value);
    }
    return r;
}

int reply_put_head(struct strbuf *out, const struct http_head *request,
                   const struct http_head *reply, enum reply_framing framing,
                   uint64_t length, enum reply_connection connection)
{
    const struct str *given = http_head_get(reply, S("Content-Length"));
    size_t mark = out->len;
    int r = put_end_to_end(out, reply);

    if (r) {
        out->len = mark;
        return r;
    }
    if (reply->status == 101) {
        must(http_put_header(out, S("Connection"), S("Upgrade")));
        must(http_put_header(out, S("Upgrade"), reply->upgrade));
    } else if (framing != REPLY_FRAMING_HIJACK) {
        put_connection(out, request,
                       framing == REPLY_FRAMING_RAW ? REPLY_CLOSE : connection);
    }
    if (framing == REPLY_FRAMING_SIZED)
        put_length(out, length);
    else if (framing == REPLY_FRAMING_CHUNKED)
        must(http_put_header(out, S("Transfer-Encoding"), S("chunked")));
    else if (request->method == METHOD_HEAD && given)
        must(http_put_header(out, S("Content-Length"), *given));
    must(http_put_end_of_head(out));
    return 0;
}
