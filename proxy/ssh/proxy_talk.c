#include "proxy/ssh/proxy_talk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "proxy/base/base64.h"

#define SOCKS_VERSION  5
#define LOGIN_VERSION  1 /* RFC 1929, 2 */
#define CONNECT        1
#define METHOD_NONE    0
#define METHOD_LOGIN   2
#define METHOD_REFUSED 0xff
#define TYPE_IPV4      1
#define TYPE_NAME      3
#define TYPE_IPV6      4

#define TARGET_HEAD 5 /* up to the length of a name */
#define LONGEST     (TARGET_HEAD + 255 + 2)
#define LIMIT_PART  255 /* a user name, a password */
#define LIMIT_SAID  (4 * KIB)
#define LIMIT_WORDS 200 /* of the proxy's own, in a message */

static int refuse(struct strbuf *why, const char *text)
{
    strbuf_addf(why, "%s", text);
    return PROXY_TALK_E_REFUSED;
}

static int wants_credentials(const struct proxy_talk *t, struct strbuf *why)
{
    return refuse(why, t->credentials.len
                           ? "it does not accept the user name and password "
                             "in the file of upstream.proxy.credentials"
                           : "it wants a user name and a password; name a file "
                             "with USER:PASSWORD in it in "
                             "upstream.proxy.credentials");
}

/* Where it was to connect to. */
static void put_target(const struct proxy_talk *t, struct strbuf *out)
{
    bool six = str_find(t->host, ':') >= 0;

    strbuf_addf(out, "%s%.*s%s:%u", six ? "[" : "", STR_FMT(t->host),
                six ? "]" : "", t->port);
}

static int did_not_connect(struct proxy_talk *t, struct str reason,
                           struct strbuf *why)
{
    AUTO(strbuf_fini) struct strbuf words = STRBUF(2 * LIMIT_SAID);

    t->unreached = true;
    strbuf_add_visible(&words, str_head(reason, LIMIT_WORDS));
    strbuf_addf(why, "it did not connect to ");
    put_target(t, why);
    strbuf_addf(why, ": %.*s", STR_FMT(strbuf_str(&words)));
    return PROXY_TALK_E_REFUSED;
}

static struct str user_of(const struct proxy_talk *t)
{
    struct str user, password;

    str_cut(strbuf_str(&t->credentials), '\0', &user, &password);
    return user;
}

static struct str password_of(const struct proxy_talk *t)
{
    return str_from_index(strbuf_str(&t->credentials), user_of(t).len + 1);
}

static int take_credentials(struct proxy_talk *t, struct str text,
                            struct strbuf *why)
{
    struct str user, password;
    bool whole = str_cut(text, ':', &user, &password);

    if (text.len == 0)
        return 0;
    for (size_t i = 0; whole && i < text.len; i++)
        whole = (unsigned char)text.ptr[i] >= ' ' && text.ptr[i] != 0x7f;
    if (!whole || user.len == 0 || user.len > LIMIT_PART || password.len == 0 ||
        password.len > LIMIT_PART)
        return refuse(why, "the first line of the file in "
                           "upstream.proxy.credentials is not USER:PASSWORD "
                           "with 1 to 255 characters each");
    strbuf_add(&t->credentials, user);
    strbuf_add_char(&t->credentials, '\0');
    strbuf_add(&t->credentials, password);
    return 0;
}

static void say_connect(struct proxy_talk *t)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_HOST + 16);
    AUTO(strbuf_fini) struct strbuf plain = STRBUF(LIMIT_SAID);
    AUTO(strbuf_fini) struct strbuf coded = STRBUF(LIMIT_SAID);

    put_target(t, &target);
    strbuf_addf(&t->out, "CONNECT %.*s HTTP/1.1\r\n",
                STR_FMT(strbuf_str(&target)));
    http_put_header(&t->out, S("Host"), strbuf_str(&target));
    if (t->credentials.len) { /* RFC 7617, 2 */
        strbuf_addf(&plain, "%.*s:%.*s", STR_FMT(user_of(t)),
                    STR_FMT(password_of(t)));
        strbuf_add(&coded, S("Basic "));
        base64_encode(strbuf_str(&plain), &coded);
        http_put_header(&t->out, S("Proxy-Authorization"), strbuf_str(&coded));
        explicit_bzero(plain.ptr, plain.cap);
        explicit_bzero(coded.ptr, coded.cap);
    }
    http_put_end_of_head(&t->out);
}

static void say_bytes(struct proxy_talk *t, const unsigned char *bytes,
                      size_t len)
{
    strbuf_add(&t->out, str_of((const char *)bytes, len));
}

static void say_methods(struct proxy_talk *t)
{
    const unsigned char bytes[] = {SOCKS_VERSION, t->credentials.len ? 2 : 1,
                                   METHOD_NONE, METHOD_LOGIN};

    say_bytes(t, bytes, t->credentials.len ? 4 : 3);
}

static void say_login(struct proxy_talk *t)
{
    struct str user = user_of(t), password = password_of(t);

    strbuf_add_char(&t->out, LOGIN_VERSION);
    strbuf_add_char(&t->out, (char)user.len);
    strbuf_add(&t->out, user);
    strbuf_add_char(&t->out, (char)password.len);
    strbuf_add(&t->out, password);
}

static void say_target(struct proxy_talk *t)
{
    static const unsigned char head[] = {SOCKS_VERSION, CONNECT, 0};
    unsigned char address[sizeof(struct in6_addr)];
    char text[LIMIT_HOST + 1] = {0};

    memcpy(text, t->host.ptr, t->host.len);
    say_bytes(t, head, sizeof(head));
    if (inet_pton(AF_INET, text, address) == 1) {
        strbuf_add_char(&t->out, TYPE_IPV4);
        say_bytes(t, address, sizeof(struct in_addr));
    } else if (inet_pton(AF_INET6, text, address) == 1) {
        strbuf_add_char(&t->out, TYPE_IPV6);
        say_bytes(t, address, sizeof(struct in6_addr));
    } else {
        strbuf_add_char(&t->out, TYPE_NAME);
        strbuf_add_char(&t->out, (char)t->host.len);
        strbuf_add(&t->out, t->host);
    }
    strbuf_add_char(&t->out, (char)(t->port >> 8));
    strbuf_add_char(&t->out, (char)t->port);
}

int proxy_talk_init(struct proxy_talk *t, enum proxy_kind kind, struct str host,
                    unsigned port, struct str credentials, struct strbuf *why)
{
    int r;

    *t = (struct proxy_talk){
        .host = host,
        .port = port,
        .credentials = STRBUF(2 * LIMIT_PART + 1),
        .out = STRBUF(LIMIT_SAID),
        .in = STRBUF(LONGEST),
    };
    if (host.len == 0 || host.len > LIMIT_HOST)
        return refuse(why, "a name of this length is not for a proxy");
    r = take_credentials(t, credentials, why);
    if (r)
        return r;
    if (kind == PROXY_HTTP) {
        t->state = PROXY_TALK_REPLY;
        t->http = http_reader_new(HTTP_RESPONSES);
        http_reader_expect(t->http, METHOD_GET); /* any that has a body */
        say_connect(t);
    } else {
        t->state = PROXY_TALK_METHOD;
        say_methods(t);
    }
    return 0;
}

void proxy_talk_fini(struct proxy_talk *t)
{
    if (t->credentials.ptr)
        explicit_bzero(t->credentials.ptr, t->credentials.cap);
    if (t->out.ptr)
        explicit_bzero(t->out.ptr, t->out.cap);
    strbuf_fini(&t->credentials);
    strbuf_fini(&t->out);
    strbuf_fini(&t->in);
    if (t->http)
        http_reader_free(t->http);
    *t = (struct proxy_talk){0};
}

static int judge_reply(struct proxy_talk *t, const struct http_head *head,
                       struct strbuf *why)
{
    AUTO(strbuf_fini) struct strbuf said = STRBUF(LIMIT_HEAD + 16);

    if (head->status / 100 == 1 && head->status != 101)
        return -EAGAIN; /* an interim one */
    if (head->status == 407)
        return wants_credentials(t, why);
    strbuf_addf(&said, "%d %.*s", head->status, STR_FMT(head->reason));
    if (head->status / 100 != 2)
        return did_not_connect(t, strbuf_str(&said), why);
    t->state = PROXY_TALK_DONE;
    return 0;
}

static int next_reply(struct proxy_talk *t, struct str input, size_t *used,
                      struct strbuf *why)
{
    struct str data;
    size_t taken;

    while (*used < input.len) {
        enum http_event event = http_reader_next(
            t->http, str_from_index(input, *used), &taken, &data);
        int r = -EAGAIN;

        *used += taken;
        t->read += taken;
        if (event == HTTP_ERROR)
            return refuse(why, "its answer to CONNECT is no HTTP; is it a "
                               "proxy for SOCKS? Then write socks5:// in "
                               "upstream.proxy");
        if (t->read > LIMIT_PROXY_REPLY)
            return refuse(why, "its answer to CONNECT is too long");
        if (event == HTTP_HEAD)
            r = judge_reply(t, http_reader_head(t->http), why);
        if (r != -EAGAIN)
            return r;
    }
    return -EAGAIN;
}

/* How long the message is that IN is the beginning of, as far as that shows. */
static size_t wanted(const struct proxy_talk *t)
{
    const char *in = t->in.ptr;

    if (t->state != PROXY_TALK_TARGET)
        return 2;
    if (t->in.len < TARGET_HEAD)
        return TARGET_HEAD;
    switch (in[3]) {
    case TYPE_IPV4:
        return 4 + sizeof(struct in_addr) + 2;
    case TYPE_IPV6:
        return 4 + sizeof(struct in6_addr) + 2;
    case TYPE_NAME:
        return TARGET_HEAD + (unsigned char)in[4] + 2;
    default:
        return TARGET_HEAD; /* it is refused */
    }
}

static int no_socks(struct strbuf *why)
{
    return refuse(why, "its answer is no SOCKS5; is it a proxy for HTTP? Then "
                       "write http:// in upstream.proxy");
}

static int judge_method(struct proxy_talk *t, struct strbuf *why)
{
    unsigned char version = (unsigned char)t->in.ptr[0];
    unsigned char method = (unsigned char)t->in.ptr[1];

    if (version != SOCKS_VERSION)
        return no_socks(why);
    if (method == METHOD_REFUSED && !t->credentials.len)
        return wants_credentials(t, why);
    if (method == METHOD_LOGIN && t->credentials.len) {
        say_login(t);
        t->state = PROXY_TALK_LOGIN;
    } else if (method == METHOD_NONE) {
        say_target(t);
        t->state = PROXY_TALK_TARGET;
    } else {
        return refuse(why, "it wants a kind of login that berth does not "
                           "have; berth knows none, and user and password");
    }
    return -EAGAIN;
}

static int judge_login(struct proxy_talk *t, struct strbuf *why)
{
    if (t->in.ptr[0] != LOGIN_VERSION)
        return no_socks(why);
    if (t->in.ptr[1] != 0)
        return wants_credentials(t, why);
    say_target(t);
    t->state = PROXY_TALK_TARGET;
    return -EAGAIN;
}

static int judge_target(struct proxy_talk *t, struct strbuf *why)
{
    static const char *const codes[] = {
        [1] = "a failure of its own",
        [2] = "its rules do not allow that; ask for this host and port",
        [3] = "the network is unreachable from there",
        [4] = "the host is unreachable from there, or the name unknown",
        [5] = "the connection was refused there",
        [6] = "the way there is too long",
        [7] = "it does not connect for anybody",
        [8] = "it does not know this kind of address",
    };
    unsigned char code = (unsigned char)t->in.ptr[1];
    const char *text = NULL;

    if (t->in.ptr[0] != SOCKS_VERSION ||
        (t->in.ptr[3] != TYPE_IPV4 && t->in.ptr[3] != TYPE_IPV6 &&
         t->in.ptr[3] != TYPE_NAME))
        return no_socks(why);
    if (code == 0) {
        t->state = PROXY_TALK_DONE;
        return 0;
    }
    if (code < sizeof(codes) / sizeof(*codes))
        text = codes[code];
    return did_not_connect(t, str_from(text ? text : "no reason is given"),
                           why);
}

static int judge_message(struct proxy_talk *t, struct strbuf *why)
{
    switch (t->state) {
    case PROXY_TALK_METHOD:
        return judge_method(t, why);
    case PROXY_TALK_LOGIN:
        return judge_login(t, why);
    case PROXY_TALK_TARGET:
        return judge_target(t, why);
    case PROXY_TALK_REPLY:
    case PROXY_TALK_DONE:
        break;
    }
    return 0;
}

int proxy_talk_next(struct proxy_talk *t, struct str input, size_t *used,
                    struct strbuf *why)
{
    int r = -EAGAIN;

    *used = 0;
    if (t->state == PROXY_TALK_REPLY)
        return next_reply(t, input, used, why);
    while (r == -EAGAIN && *used < input.len) {
        struct str rest = str_from_index(input, *used);
        struct str part = str_head(rest, wanted(t) - t->in.len);

        strbuf_add(&t->in, part);
        *used += part.len;
        if (t->in.len < wanted(t))
            continue;
        r = judge_message(t, why);
        strbuf_clear(&t->in);
    }
    return t->state == PROXY_TALK_DONE ? 0 : r;
}
