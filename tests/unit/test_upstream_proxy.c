/* The proxy before the first host: its URL, and what is spared of it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "policy/config/upstream_proxy.h"
#include "policy/config/url.h"

static void urls_are_taken_apart(void **state)
{
    static const struct {
        const char *text;
        enum proxy_kind kind;
        const char *host; /* or, of what is refused, the reason */
        unsigned port;
    } cases[] = {
        {"http://squid.corp:3128",   PROXY_HTTP,   "squid.corp",                3128},
        {"HTTP://squid:3128/",       PROXY_HTTP,   "squid",                     3128},
        {"socks5://10.0.0.1:1080",   PROXY_SOCKS5, "10.0.0.1",                  1080},
        {"socks5h://[fd00::1]:1080", PROXY_SOCKS5, "fd00::1",                   1080},
        {"squid:3128",               PROXY_NONE,   "has no scheme",             0   },
        {"https://squid:3128",       PROXY_NONE,   "no TLS to a proxy",         0   },
        {"socks4://squid:1080",      PROXY_NONE,   "SOCKS5 only",               0   },
        {"ftp://squid:1080",         PROXY_NONE,   "does not know",             0   },
        {"http://squid",             PROXY_NONE,   "names no port",             0   },
        {"http://:3128",             PROXY_NONE,   "names no host",             0   },
        {"http://squid:0",           PROXY_NONE,   "no number from 1",          0   },
        {"http://squid:3128/x",      PROXY_NONE,   "no number from 1",          0   },
        {"http://a b:3128",          PROXY_NONE,   "no name and no address",    0   },
        {"http://squid:3128?x",      PROXY_NONE,   "a query or a fragment",     0   },
        {"http://me:pw@squid:3128",  PROXY_NONE,   "upstream.proxy.credential", 0   },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
        struct proxy_config proxy = {0};
        int r = upstream_proxy_parse(str_from(cases[i].text), &proxy, &why);

        if (cases[i].port) {
            assert_int_equal(r, 0);
            assert_int_equal(proxy.kind, cases[i].kind);
            assert_string_equal(proxy.host, cases[i].host);
            assert_int_equal(proxy.port, cases[i].port);
        } else {
            assert_int_equal(r, URL_E_INVALID);
            assert_non_null(strstr(strbuf_cstr(&why), cases[i].host));
            assert_null(strstr(strbuf_cstr(&why), "pw"));
        }
        free(proxy.host);
    }
}

static void no_proxy_is_read_as_go_reads_it(void **state)
{
    static const struct {
        const char *list, *host;
        unsigned port;
        bool spared;
    } cases[] = {
        {"",                     "engine.corp",  22, false},
        {"",                     "localhost",    22, true },
        {"",                     "127.8.8.8",    22, true },
        {"",                     "::1",          22, true },
        {"*",                    "engine.corp",  22, true },
        {"a,*",                  "10.0.0.1",     22, true },
        {"corp",                 "engine.corp",  22, true },
        {"corp",                 "corp",         22, true },
        {"CORP",                 "Engine.Corp.", 22, true },
        {".corp",                "engine.corp",  22, true },
        {".corp",                "corp",         22, false},
        {"*.corp",               "engine.corp",  22, true },
        {"*.corp",               "corp",         22, false},
        {"corp",                 "engine.xcorp", 22, false},
        {"orp",                  "engine.corp",  22, false},
        {"a, engine.corp:22 ,b", "engine.corp",  22, true },
        {"engine.corp:2222",     "engine.corp",  22, false},
        {"10.0.0.0/8",           "10.1.2.3",     22, true },
        {"10.0.0.0/8",           "11.1.2.3",     22, false},
        {"10.1.2.3",             "10.1.2.3",     22, true },
        {"10.1.2.3:22",          "10.1.2.3",     22, true },
        {"10.1.2.3:23",          "10.1.2.3",     22, false},
        {"fd00::/8",             "fd00::7",      22, true },
        {"fd00::7",              "fd00::7",      22, true },
        {"[fd00::7]:22",         "fd00::7",      22, true },
        {"[fd00::7]:23",         "fd00::7",      22, false},
        {"2.3",                  "10.1.2.3",     22, false},
        {",,",                   "engine.corp",  22, false},
        {":22",                  "engine.corp",  22, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        if (upstream_proxy_is_spared(str_from(cases[i].list), cases[i].host,
                                     cases[i].port) != cases[i].spared)
            fail_msg("\"%s\" and %s:%u", cases[i].list, cases[i].host,
                     cases[i].port);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_taken_apart),
        cmocka_unit_test(no_proxy_is_read_as_go_reads_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
