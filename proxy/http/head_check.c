#include "proxy/http/head_check.h"

void head_check_init(struct head_check *check, enum http_side side)
{
    *check = (struct head_check){.side = side};
}

static int refuse(const struct head_check *check, struct http_error *why,
                  int status, const char *reason)
{
    why->status = check->side == HTTP_RESPONSES ? 502 : status;
    why->reason = reason;
    return HEAD_E_REFUSED;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/D.D" and nothing else (RFC 9112, 2.3) */
static bool is_version(struct str s)
{
    return s.len == 8 && str_has_prefix(s, S("HTTP/")) && is_digit(s.ptr[5]) &&
           s.ptr[6] == '.' && is_digit(s.ptr[7]);
}

static int check_version(struct head_check *check, struct str version,
                         struct http_error *why)
{
    if (version.ptr[5] != '1')
        return refuse(check, why, 505, "only HTTP/1.0 and HTTP/1.1 are spoken");
    check->minor = (unsigned)(version.ptr[7] - '0');
    return 0;
}

static int check_request_line(struct head_check *check, struct str line,
                              struct http_error *why)
{
    struct str method, target, version;

    /* RFC 9113, 3.4: a client that takes HTTP/2 for granted */
    if (str_eq(line, S("PRI * HTTP/2.0")))
        return refuse(check, why, 505,
                      "HTTP/2 is not spoken on this socket; use HTTP/1.1, and "
                      "for BuildKit POST /grpc with Upgrade: h2c");
    if (!str_cut(line, ' ', &method, &line) ||
        !str_cut(line, ' ', &target, &version) || !http_is_token(method) ||
        !is_version(version))
        return refuse(check, why, 400,
                      "the request line is not METHOD TARGET HTTP/1.1");
    if (!http_is_target(target))
        return refuse(check, why, 400,
                      "the request target has a byte in it that must be "
                      "percent-encoded");
    return check_version(check, version, why);
}

static int check_status_line(struct head_check *check, struct str line,
                             struct http_error *why)
{
    struct str version, status, reason;

    str_cut(line, ' ', &version, &line);
    str_cut(line, ' ', &status, &reason);
    if (!is_version(version) || status.len != 3 || status.ptr[0] < '1' ||
        !is_digit(status.ptr[0]) || !is_digit(status.ptr[1]) ||
        !is_digit(status.ptr[2]) || !http_is_value(reason))
        return refuse(check, why, 502,
                      "the status line is not HTTP/1.1 STATUS REASON");
    return check_version(check, version, why);
}

static int check_length(struct head_check *check, struct str value,
                        struct http_error *why)
{
    uint64_t length;

    if (str_to_u64(value, &length) != 0 || length > INT64_MAX)
        return refuse(check, why, 400,
                      "Content-Length is not a number of bytes");
    if (check->is_chunked)
        return refuse(check, why, 400,
                      "both Content-Length and Transfer-Encoding are given");
    check->has_length = true;
    return 0;
}

static int check_coding(struct head_check *check, struct str value,
                        struct http_error *why)
{
    if (check->minor == 0)
        return refuse(check, why, 400, "HTTP/1.0 knows no Transfer-Encoding");
    if (!str_eq_nocase(value, S("chunked")))
        return refuse(check, why, 501,
                      "no Transfer-Encoding but chunked is understood");
    if (check->has_length)
        return refuse(check, why, 400,
                      "both Content-Length and Transfer-Encoding are given");
    check->is_chunked = true;
    return 0;
}

static int check_expect(struct head_check *check, struct str value,
                        struct http_error *why)
{
    if (check->side == HTTP_RESPONSES)
        return 0;
    if (!str_eq_nocase(value, S("100-continue")))
        return refuse(check, why, 417,
                      "no Expect but 100-continue is understood");
    /* RFC 9110, 10.1.1: in an HTTP/1.0 request it means nothing */
    check->wants_continue = check->minor > 0;
    return 0;
}

/* The headers that say where a message ends or whose it is. */
enum { ROW_HOST };
static const struct row {
    struct str name;
    const char *twice; /* why it may not be given twice, NULL: it may */
    int (*check)(struct head_check *check, struct str value,
                 struct http_error *why);
} rows[] = {
    [ROW_HOST] = {STR("Host"),              "two Host headers are given",              NULL        },
    {STR("Content-Length"),    "two Content-Length headers are given",
                  check_length                                                                     },
    {STR("Transfer-Encoding"), "two Transfer-Encoding headers are given",
                  check_coding                                                                     },
    {STR("Expect"),            NULL,                                      check_expect},
    {STR("Upgrade"),           "two Upgrade headers are given",           NULL        },
};

static int check_header(struct head_check *check, struct str line,
                        struct http_error *why)
{
    struct str name, value;

    if (line.ptr[0] == ' ' || line.ptr[0] == '\t')
        return refuse(check, why, 400, "a header line is folded");
    if (!str_cut(line, ':', &name, &value) || !http_is_token(name))
        return refuse(check, why, 400, "a header line is not NAME: VALUE");
    if (!http_is_value(value))
        return refuse(check, why, 400, "a header has a control byte in it");
    value = str_trim(value);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];

        if (!str_eq_nocase(row->name, name))
            continue;
        if ((check->seen & 1U << i) && row->twice)
            return refuse(check, why, 400, row->twice);
        check->seen |= 1U << i;
        return row->check ? row->check(check, value, why) : 0;
    }
    return 0;
}

int head_check_line(struct head_check *check, struct str line,
                    struct http_error *why)
{
    if (check->lines++ == 0)
        return check->side == HTTP_REQUESTS
                   ? check_request_line(check, line, why)
                   : check_status_line(check, line, why);
    if (check->lines > LIMIT_HEADERS + 1)
        return refuse(check, why, 431, "there are too many headers");
    return check_header(check, line, why);
}

int head_check_end(struct head_check *check, struct http_error *why)
{
    /* RFC 9112, 3.2 */
    if (check->side == HTTP_REQUESTS && check->minor > 0 &&
        !(check->seen & 1U << ROW_HOST))
        return refuse(check, why, 400, "the Host header is missing");
    return 0;
}
