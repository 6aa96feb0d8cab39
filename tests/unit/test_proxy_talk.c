/* What is said to a proxy, and what its answers mean: whole, byte by byte, and
 * cut in two at every position. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "proxy/ssh/proxy_talk.h"

#define HOST "SSH-2.0-x\r\n" /* the host behind the proxy speaks at once */

struct say {
    struct str expected; /* of us, before the proxy's next words */
    struct str proxy;
};

struct script {
    enum proxy_kind kind;
    const char *host;
    const char *credentials;
    const char *why; /* or NULL when it connects us */
    struct say says[4];
};

static const struct script scripts[] = {
    {PROXY_HTTP,
     "engine.example",  "",
     NULL,                                                      {{STR("CONNECT engine.example:22 HTTP/1.1\r\nHost: "
           "engine.example:22\r\n\r\n"),
       STR("HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n")}}                                  },
 /* RFC 9110, 9.3.6: a length means nothing here */
    {PROXY_HTTP,
     "::1",             "",
     NULL,                                                      {{STR("CONNECT [::1]:22 HTTP/1.1\r\nHost: [::1]:22\r\n\r\n"),
       STR("HTTP/1.0 200 OK\r\nContent-Length: 900\r\n\r\n")}}                                         },
    {PROXY_HTTP,
     "h",               "me:se:cret",
     NULL,                                                      {{STR("CONNECT h:22 HTTP/1.1\r\nHost: h:22\r\nProxy-Authorization: "
           "Basic bWU6c2U6Y3JldA==\r\n\r\n"),
       STR("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 Fine\r\n\r\n")}}                                 },
    {PROXY_HTTP,
     "h",               "",
     "it did not connect to h:22: 403 Not you",                 {{STR("CONNECT h:22 HTTP/1.1\r\nHost: h:22\r\n\r\n"),
       STR("HTTP/1.1 403 Not you\r\n\r\n")}}                      },
    {PROXY_HTTP,
     "h",               "",
     "it did not connect to h:22: 502 Bad Gateway",             {{STR("CONNECT h:22 HTTP/1.1\r\nHost: h:22\r\n\r\n"),
       STR("HTTP/1.1 502 Bad Gateway\r\n\r\n")}}              },
    {PROXY_HTTP,
     "h",               "",
     "it did not connect to h:22: 101 Switching",               {{STR("CONNECT h:22 HTTP/1.1\r\nHost: h:22\r\n\r\n"),
       STR("HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n")}}    },
    {PROXY_HTTP,
     "h",               "",
     "it wants a user name and a password",                     {{STR("CONNECT h:22 HTTP/1.1\r\nHost: h:22\r\n\r\n"),
       STR("HTTP/1.1 407 Auth\r\nProxy-Authenticate: Basic\r\n\r\n")}}},
    {PROXY_HTTP,
     "h",               "a:b",
     "it does not accept the user name and password",           {{STR("CONNECT h:22 HTTP/1.1\r\nHost: h:22\r\nProxy-Authorization: "
           "Basic YTpi\r\n\r\n"),
       STR("HTTP/1.1 407 Auth\r\n\r\n")}}                   },
    {PROXY_HTTP,
     "h",               "",
     "its answer to CONNECT is no HTTP",                        {{STR("CONNECT h:22 HTTP/1.1\r\nHost: h:22\r\n\r\n"),
       STR("SSH-2.0-OpenSSH\r\n")}}                                      },
    {PROXY_HTTP,
     "h",               "",
     "its answer to CONNECT is no HTTP",                        {{STR("CONNECT h:22 HTTP/1.1\r\nHost: h:22\r\n\r\n"),
       STR("\x05\xff\r\n")}}                                             },
    {PROXY_SOCKS5,
     "engine",          "",
     NULL,                                                      {{STR("\x05\x01\x00"), STR("\x05\x00")},
      {STR("\x05\x01\x00\x03\x06"
           "engine\x00\x16"),
       STR("\x05\x00\x00\x01\x01\x02\x03\x04\x00\x16")}}                                               },
    {PROXY_SOCKS5,
     "10.0.0.7",        "a:b",
     NULL,                                                      {{STR("\x05\x02\x00\x02"), STR("\x05\x02")},
      {STR("\x01\x01"
           "a\x01"
           "b"),
       STR("\x01\x00")},
      {STR("\x05\x01\x00\x01\x0a\x00\x00\x07\x00\x16"),
       STR("\x05\x00\x00\x03\x02hi\x00\x16")}}                                                         },
 /* one that wants no password after all */
    {PROXY_SOCKS5,
     "::1",             "a:b",
     NULL,                                                      {{STR("\x05\x02\x00\x02"), STR("\x05\x00")},
      {STR("\x05\x01\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x16"),
       STR("\x05\x00\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x16")}}                             },
    {PROXY_SOCKS5,
     "h",               "",
     "it wants a user name and a password",                     {{STR("\x05\x01\x00"), STR("\x05\xff")}}         },
    {PROXY_SOCKS5,
     "h",               "",
     "it wants a kind of login that berth does not",            {{STR("\x05\x01\x00"), STR("\x05\x02")}}         },
    {PROXY_SOCKS5,
     "h",               "a:b",
     "it wants a kind of login that berth does not",            {{STR("\x05\x02\x00\x02"), STR("\x05\x01")}}     },
    {PROXY_SOCKS5,
     "h",               "a:b",
     "it does not accept the user name and password",           {{STR("\x05\x02\x00\x02"), STR("\x05\x02")},
      {STR("\x01\x01"
           "a\x01"
           "b"),
       STR("\x01\x01")}}                                    },
    {PROXY_SOCKS5,
     "h",               "",
     "its answer is no SOCKS5",                                 {{STR("\x05\x01\x00"), STR("HT")}}               },
    {PROXY_SOCKS5,
     "h",               "",
     "it did not connect to h:22: its rules do not allow that", {{STR("\x05\x01\x00"), STR("\x05\x00")},
      {STR("\x05\x01\x00\x03\x01h\x00\x16"),
       STR("\x05\x02\x00\x01\0\0\0\0\0\0")}}      },
    {PROXY_SOCKS5,
     "h",               "",
     "it did not connect to h:22: no reason is given",          {{STR("\x05\x01\x00"), STR("\x05\x00")},
      {STR("\x05\x01\x00\x03\x01h\x00\x16"),
       STR("\x05\x63\x00\x01\0\0\0\0\0\0")}}               },
    {PROXY_SOCKS5,
     "h",               "",
     "its answer is no SOCKS5",                                 {{STR("\x05\x01\x00"), STR("\x05\x00")},
      {STR("\x05\x01\x00\x03\x01h\x00\x16"), STR("\x05\x00\x00\x02\x00")}}        },
 /* what nobody can be told */
    {PROXY_SOCKS5, "h", "nobody",     "is not USER:PASSWORD",   {{{0}, {0}}}                                     },
    {PROXY_SOCKS5, "h", ":x",         "is not USER:PASSWORD",   {{{0}, {0}}}                                     },
    {PROXY_SOCKS5, "h", "x:",         "is not USER:PASSWORD",   {{{0}, {0}}}                                     },
    {PROXY_HTTP,   "h", "x:a\tb",     "is not USER:PASSWORD",   {{{0}, {0}}}                                     },
};

/* Feed TEXT in pieces: one of FIRST bytes, the others of STEP. */
static int feed(struct proxy_talk *talk, struct str text, size_t first,
                size_t step, size_t *all, struct strbuf *why)
{
    size_t len = first, used;
    int r = -EAGAIN;

    for (*all = 0; r == -EAGAIN && text.len; len = step) {
        struct str part = str_head(text, len ? len : text.len);

        r = proxy_talk_next(talk, part, &used, why);
        assert_true(used <= part.len);
        if (r == -EAGAIN)
            assert_int_equal(used, part.len);
        *all += used;
        text = str_from_index(text, used);
    }
    return r;
}

static void play(const struct script *s, size_t first, size_t step)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
    struct proxy_talk talk;
    int r = proxy_talk_init(&talk, s->kind, str_from(s->host), 22,
                            str_from(s->credentials), &why);

    for (size_t i = 0; r == 0 || r == -EAGAIN; i++) {
        const struct say *say = &s->says[i];
        AUTO(strbuf_fini) struct strbuf text = STRBUF(4096);
        size_t used;

        assert_true(i < sizeof(s->says) / sizeof(*s->says));
        if (say->expected.len == 0)
            break;
        assert_int_equal(talk.out.len, say->expected.len);
        assert_memory_equal(talk.out.ptr, say->expected.ptr, talk.out.len);
        strbuf_clear(&talk.out);
        strbuf_add(&text, say->proxy);
        /* the host's own bytes right behind the last answer stay there */
        if (i + 1 == sizeof(s->says) / sizeof(*s->says) ||
            s->says[i + 1].expected.len == 0)
            strbuf_add(&text, S(HOST));
        r = feed(&talk, strbuf_str(&text), first, step, &used, &why);
        if (r == 0) {
            assert_int_equal(used, say->proxy.len);
            assert_int_equal(talk.state, PROXY_TALK_DONE);
            break;
        }
    }
    if (s->why) {
        assert_int_equal(r, PROXY_TALK_E_REFUSED);
        assert_non_null(strstr(strbuf_cstr(&why), s->why));
    } else {
        assert_int_equal(r, 0);
    }
    proxy_talk_fini(&talk);
}

static void answers_are_read_however_they_come(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++) {
        play(&scripts[i], 0, 0);
        play(&scripts[i], 1, 1);
        for (size_t cut = 1; cut < 120; cut++)
            play(&scripts[i], cut, 0);
    }
}

/* Give LEN bytes of a header and see what comes of it. */
static int answer_with_header(size_t len, struct strbuf *why)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(4 * LIMIT_PROXY_REPLY);
    struct proxy_talk talk;
    size_t used;
    int r;

    proxy_talk_init(&talk, PROXY_HTTP, S("h"), 22, S(""), why);
    strbuf_addf(&text, "HTTP/1.1 200 Y\r\nX: ");
    while (text.len + 4 < len)
        strbuf_add_char(&text, 'a');
    strbuf_addf(&text, "\r\n\r\n");
    r = proxy_talk_next(&talk, strbuf_str(&text), &used, why);
    proxy_talk_fini(&talk);
    return r;
}

static void an_answer_has_a_longest(void **state)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);

    (void)state;
    assert_int_equal(answer_with_header(LIMIT_PROXY_REPLY, &why), 0);
    assert_int_equal(answer_with_header(LIMIT_PROXY_REPLY + 1, &why),
                     PROXY_TALK_E_REFUSED);
    assert_non_null(strstr(strbuf_cstr(&why), "too long"));
}

static void names_and_passwords_have_a_longest(void **state)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
    char text[512], host[300];
    struct proxy_talk talk;

    (void)state;
    for (int len = 255; len <= 256; len++) {
        snprintf(text, sizeof(text), "%0*d:x", len, 1);
        assert_int_equal(proxy_talk_init(&talk, PROXY_SOCKS5, S("h"), 22,
                                         str_from(text), &why) == 0,
                         len == 255);
        proxy_talk_fini(&talk);
        snprintf(text, sizeof(text), "x:%0*d", len, 1);
        assert_int_equal(proxy_talk_init(&talk, PROXY_SOCKS5, S("h"), 22,
                                         str_from(text), &why) == 0,
                         len == 255);
        proxy_talk_fini(&talk);
    }
    for (int len = LIMIT_HOST; len <= LIMIT_HOST + 1; len++) {
        snprintf(host, sizeof(host), "%0*d", len, 1);
        assert_int_equal(proxy_talk_init(&talk, PROXY_HTTP, str_from(host), 22,
                                         S(""), &why) == 0,
                         len == LIMIT_HOST);
        proxy_talk_fini(&talk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_read_however_they_come),
        cmocka_unit_test(an_answer_has_a_longest),
        cmocka_unit_test(names_and_passwords_have_a_longest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
