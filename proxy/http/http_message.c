#include "proxy/http/http_message.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

/* RFC 9110, 5.6.2: tchar */
static bool is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || str_find(S("-_.!#$%&'*+^`|~"), c) >= 0;
}

bool http_is_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_token_char(s.ptr[i]))
            return false;
    }
    return s.len > 0;
}

bool http_is_value(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

bool http_is_target(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        if (c <= ' ' || c >= 0x7f)
            return false;
    }
    return s.len > 0;
}

const struct str *http_head_get(const struct http_head *head, struct str name)
{
    for (size_t i = 0; i < head->header_count; i++) {
        if (str_eq_nocase(head->headers[i].name, name))
            return &head->headers[i].value;
    }
    return NULL;
}

static bool list_has_token(struct str list, struct str token)
{
    struct str item;
    bool more;

    do {
        more = str_cut(list, ',', &item, &list);
        if (str_eq_nocase(str_trim(item), token))
            return true;
    } while (more);
    return false;
}

bool http_head_has_token(const struct http_head *head, struct str name,
                         struct str token)
{
    for (size_t i = 0; i < head->header_count; i++) {
        if (str_eq_nocase(head->headers[i].name, name) &&
            list_has_token(head->headers[i].value, token))
            return true;
    }
    return false;
}

const char *http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {100, "Continue"                       },
        {101, "Switching Protocols"            },
        {200, "OK"                             },
        {201, "Created"                        },
        {202, "Accepted"                       },
        {204, "No Content"                     },
        {206, "Partial Content"                },
        {301, "Moved Permanently"              },
        {302, "Found"                          },
        {303, "See Other"                      },
        {304, "Not Modified"                   },
        {307, "Temporary Redirect"             },
        {308, "Permanent Redirect"             },
        {400, "Bad Request"                    },
        {401, "Unauthorized"                   },
        {403, "Forbidden"                      },
        {404, "Not Found"                      },
        {405, "Method Not Allowed"             },
        {406, "Not Acceptable"                 },
        {408, "Request Timeout"                },
        {409, "Conflict"                       },
        {410, "Gone"                           },
        {411, "Length Required"                },
        {412, "Precondition Failed"            },
        {413, "Content Too Large"              },
        {414, "URI Too Long"                   },
        {415, "Unsupported Media Type"         },
        {416, "Range Not Satisfiable"          },
        {417, "Expectation Failed"             },
        {422, "Unprocessable Content"          },
        {426, "Upgrade Required"               },
        {429, "Too Many Requests"              },
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"          },
        {501, "Not Implemented"                },
        {502, "Bad Gateway"                    },
        {503, "Service Unavailable"            },
        {504, "Gateway Timeout"                },
        {505, "HTTP Version Not Supported"     },
        {507, "Insufficient Storage"           },
    };

    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "Unknown";
}

/* All COUNT parts of a line, or nothing. */
static int put_line(struct strbuf *out, const struct str *parts, size_t count)
{
    size_t len = 0;
    char *to;

    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    to = strbuf_reserve(out, len);
    if (!to)
        return -ENOBUFS;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len)
            memcpy(to, parts[i].ptr, parts[i].len);
        to += parts[i].len;
    }
    strbuf_commit(out, len);
    return 0;
}

int http_put_request_line(struct strbuf *out, enum method method,
                          struct str target)
{
    const struct str parts[] = {str_from(method_name(method)), STR(" "), target,
                                STR(" HTTP/1.1\r\n")};

    if (method == METHOD_OTHER || !http_is_target(target))
        return -EINVAL;
    return put_line(out, parts, 4);
}

int http_put_status_line(struct strbuf *out, int status, struct str reason)
{
    char digits[4];
    const struct str parts[] = {STR("HTTP/1.1 "), str_of(digits, 3), STR(" "),
                                reason, STR("\r\n")};

    if (status < 100 || status > 999 || !http_is_value(reason))
        return -EINVAL;
    snprintf(digits, sizeof(digits), "%d", status);
    return put_line(out, parts, 5);
}

int http_put_header(struct strbuf *out, struct str name, struct str value)
{
    const struct str parts[] = {name, STR(": "), value, STR("\r\n")};

    if (!http_is_token(name) || !http_is_value(value))
        return -EINVAL;
    return put_line(out, parts, 4);
}

int http_put_end_of_head(struct strbuf *out)
{
    return strbuf_add(out, S("\r\n"));
}

int http_put_chunk_line(struct strbuf *out, size_t len)
{
    assert(len > 0); /* 0 would end the body */
    return strbuf_addf(out, "%zx\r\n", len);
}

int http_put_last_chunk(struct strbuf *out)
{
    return strbuf_add(out, S("0\r\n\r\n"));
}
