/*
 * The first byte is the kind of the proxy, whether there are credentials, and
 * where to cut; the rest is what the proxy says. Properties: nothing is taken
 * that has not come, all of it while more is wanted, what we say stays within
 * bounds, and the outcome does not depend on the cut.
 */

#include <assert.h>
#include <errno.h>

#include "proxy/ssh/proxy_talk.h"
#include "tests/fuzz/fuzz.h"

static int play(const struct str *parts, size_t count, unsigned char how,
                size_t *all)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
    struct proxy_talk talk;
    size_t used;
    int r = proxy_talk_init(&talk, how & 1 ? PROXY_HTTP : PROXY_SOCKS5,
                            S("engine.example"), 22, how & 2 ? S("a:b") : S(""),
                            &why);

    assert(r == 0);
    r = -EAGAIN;
    *all = 0;
    for (size_t i = 0; r == -EAGAIN && i < count; i++) {
        r = proxy_talk_next(&talk, parts[i], &used, &why);
        assert(used <= parts[i].len && talk.out.len < 2048);
        assert(r != -EAGAIN || used == parts[i].len);
        assert((r == PROXY_TALK_E_REFUSED) == (why.len > 0));
        *all += used;
    }
    proxy_talk_fini(&talk);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text, parts[2];
    size_t whole, cut;
    int at_once, in_parts;

    if (size == 0)
        return 0;
    text = str_of((const char *)data + 1, size - 1);
    parts[0] = str_head(text, data[0] >> 2);
    parts[1] = str_from_index(text, parts[0].len);
    at_once = play(&text, 1, data[0], &whole);
    in_parts = play(parts, 2, data[0], &cut);
    assert(at_once == in_parts && whole == cut);
    return 0;
}
