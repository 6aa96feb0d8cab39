#include "tests/attacks/attack_bytes.h"

#include <assert.h>
#include <stdlib.h>

#include "tests/support/tar_bytes.h"

/* TEXT, whose characters below U+0100 are bytes. */
static void add_latin(struct strbuf *out, const json_t *text)
{
    const unsigned char *at = (const unsigned char *)json_string_value(text);
    const unsigned char *end = at + json_string_length(text);
    int r = 0;

    for (; at < end; at++) {
        unsigned char byte = *at;

        if (byte >= 0x80) {
            assert(byte == 0xc2 || byte == 0xc3);
            byte = (unsigned char)((byte & 3) << 6 | (*++at & 0x3f));
        }
        r |= strbuf_add_char(out, (char)byte);
    }
    assert(r == 0);
}

/* "bytes", or a list of such and of [COUNT, "bytes"]. */
static void add_bytes(struct strbuf *out, const json_t *bytes)
{
    const json_t *part;
    size_t i;

    if (json_is_string(bytes))
        add_latin(out, bytes);
    json_array_foreach(bytes, i, part)
    {
        const json_t *first = json_array_get(part, 0);
        json_int_t times = json_integer_value(first);

        for (; times > 0; times--)
            add_latin(out, json_array_get(part, 1));
        if (!json_is_integer(first))
            add_bytes(out, part);
    }
}

static bool has_header(const json_t *headers, const char *name)
{
    const json_t *line;
    size_t i;

    json_array_foreach(headers, i, line)
    {
        struct str key, value;

        str_cut(str_from(json_string_value(line)), ':', &key, &value);
        if (str_eq_nocase(key, str_from(name)))
            return true;
    }
    return false;
}

/* A tar of {name: text}. */
static void add_context(struct strbuf *out, json_t *files)
{
    const char *name;
    json_t *text;

    json_object_foreach(files, name, text)
    {
        tar_add(out, TAR_FILE, name, NULL, str_from(json_string_value(text)));
    }
    if (files)
        tar_add_end(out);
}

static void add_body(struct strbuf *out, const json_t *request)
{
    const json_t *host = json_object_get(request, "host");
    json_t *body = json_object_get(request, "body");
    json_auto_t *create = NULL;
    char *dump;

    add_bytes(out, json_object_get(request, "text"));
    add_context(out, json_object_get(request, "context"));
    if (host)
        body = create =
            json_pack("{s:s, s:O}", "Image", "busybox", "HostConfig", host);
    if (!body)
        return;
    dump = json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY);
    strbuf_add(out, str_from(dump));
    free(dump);
}

void attack_compose(struct strbuf *out, const json_t *request)
{
    AUTO(strbuf_fini) struct strbuf body = STRBUF(64 * MIB);
    const char *line =
        json_is_string(request)
            ? json_string_value(request)
            : json_string_value(json_object_get(request, "line"));
    const json_t *headers = json_object_get(request, "headers");
    bool sized = has_header(headers, "Content-Length") ||
                 has_header(headers, "Transfer-Encoding");
    const json_t *header;
    size_t i;

    if (json_object_get(request, "raw")) {
        add_bytes(out, json_object_get(request, "raw"));
        return;
    }
    add_body(&body, request);
    strbuf_addf(out, "%s HTTP/1.1\r\nHost: docker\r\n",
                line ? line : "POST /containers/create");
    if (body.len && !has_header(headers, "Content-Type"))
        strbuf_addf(out, "Content-Type: application/%s\r\n",
                    json_object_get(request, "context") ? "x-tar" : "json");
    if (body.len && !sized)
        strbuf_addf(out, "Content-Length: %zu\r\n", body.len);
    json_array_foreach(headers, i, header)
    {
        add_latin(out, header);
        strbuf_add(out, S("\r\n"));
    }
    strbuf_add(out, S("\r\n"));
    strbuf_add(out, strbuf_str(&body));
}
