#include "proxy/ssh/ssh_agent.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "policy/base/limits.h"
#include "proxy/ssh/ssh_wire.h"

/* draft-ietf-sshm-ssh-agent, 3 and 4 */
#define LIST_KEYS         11
#define KEYS_ANSWER       12
#define SIGN_REQUEST      13
#define SIGN_RESPONSE     14
#define RSA_SHA2_256_FLAG 2
#define RSA_SHA2_512_FLAG 4

#define LIMIT_MESSAGE (256 * KIB)

struct ssh_agent {
    int fd; /* -1 when there is no agent, or no more */
    struct waker waker;
    struct event *readable;
    bool asked; /* a request is out; its answer gathers in IN */
    struct strbuf in;
    struct strbuf keys;
    uint32_t key_count;
    bool listed;
};

static void hang_up(struct ssh_agent *a)
{
    if (a->readable)
        event_free(a->readable);
    a->readable = NULL;
    if (a->fd >= 0)
        close(a->fd);
    a->fd = -1;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct ssh_agent *a = arg;
    char bytes[4096];
    ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

    (void)what;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || strbuf_add(&a->in, str_of(bytes, (size_t)n)) < 0)
        hang_up(a);
    waker_wake(&a->waker);
}

struct ssh_agent *ssh_agent_new(const char *path, const struct waker *waker)
{
    struct ssh_agent *a = xcalloc(1, sizeof(*a));
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    *a = (struct ssh_agent){
        .fd = -1,
        .waker = *waker,
        .in = STRBUF(LIMIT_MESSAGE),
        .keys = STRBUF(LIMIT_MESSAGE),
    };
    if (!path || strlen(path) >= sizeof(address.sun_path))
        return a;
    memcpy(address.sun_path, path, strlen(path) + 1);
    a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (a->fd < 0 ||
        connect(a->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        hang_up(a);
        return a;
    }
    a->readable =
        event_new(waker->base, a->fd, EV_READ | EV_PERSIST, on_readable, a);
    event_add(a->readable, NULL);
    return a;
}

bool ssh_agent_is_asked(const struct ssh_agent *a)
{
    return a && a->asked;
}

void ssh_agent_free(struct ssh_agent *a)
{
    if (!a)
        return;
    hang_up(a);
    strbuf_fini(&a->in);
    strbuf_fini(&a->keys);
    free(a);
}

/* A request is small, and the socket empty: it goes out whole, or the agent is
 * of no use. */
static int ask(struct ssh_agent *a, struct str body)
{
    AUTO(strbuf_fini) struct strbuf message = STRBUF(LIMIT_MESSAGE);

    if (a->fd < 0 || ssh_wire_add_string(&message, body) < 0)
        return SSH_AGENT_E_FAILED;
    strbuf_clear(&a->in);
    if (send(a->fd, message.ptr, message.len, MSG_NOSIGNAL) !=
        (ssize_t)message.len) {
        hang_up(a);
        return SSH_AGENT_E_FAILED;
    }
    a->asked = true;
    return -EAGAIN;
}

/* The answer, once all of it is there, without its type. */
static int answer(struct ssh_agent *a, uint8_t want, struct str *body)
{
    struct str in = strbuf_str(&a->in);
    uint8_t type;

    if (ssh_wire_string(&in, body) < 0)
        return a->fd < 0 ? SSH_AGENT_E_FAILED : -EAGAIN;
    a->asked = false;
    if (ssh_wire_u8(body, &type) < 0 || type != want)
        return SSH_AGENT_E_FAILED;
    return 0;
}

int ssh_agent_keys(struct ssh_agent *a, uint32_t *count, struct str *keys)
{
    static const char request[] = {LIST_KEYS};
    struct str body;
    int r;

    if (!a->listed) {
        if (!a->asked)
            return ask(a, str_of(request, sizeof(request)));
        r = answer(a, KEYS_ANSWER, &body);
        if (r)
            return r;
        if (ssh_wire_u32(&body, &a->key_count) < 0)
            return SSH_AGENT_E_FAILED;
        strbuf_add(&a->keys, body);
        a->listed = true;
    }
    *count = a->key_count;
    *keys = strbuf_str(&a->keys);
    return 0;
}

/* An RSA key can sign in several ways; DATA says which one the server was
 * promised. */
static uint32_t flags_for(struct str data)
{
    struct str skip, method = {0};
    uint8_t byte;

    if (ssh_wire_string(&data, &skip) < 0 || /* session */
        ssh_wire_u8(&data, &byte) < 0 ||     /* SSH_MSG_USERAUTH_REQUEST */
        ssh_wire_string(&data, &skip) < 0 || /* user */
        ssh_wire_string(&data, &skip) < 0 || /* service */
        ssh_wire_string(&data, &skip) < 0 || /* "publickey" */
        ssh_wire_u8(&data, &byte) < 0 ||     /* true */
        ssh_wire_string(&data, &method) < 0)
        return 0;
    if (str_has_prefix(method, S("rsa-sha2-256")))
        return RSA_SHA2_256_FLAG;
    if (str_has_prefix(method, S("rsa-sha2-512")))
        return RSA_SHA2_512_FLAG;
    return 0;
}

int ssh_agent_sign(struct ssh_agent *a, struct str key, struct str data,
                   struct str *signature)
{
    AUTO(strbuf_fini) struct strbuf request = STRBUF(LIMIT_MESSAGE);
    struct str body, blob, method;
    int r;

    if (!a->asked) {
        if (strbuf_add_char(&request, SIGN_REQUEST) < 0 ||
            ssh_wire_add_string(&request, key) < 0 ||
            ssh_wire_add_string(&request, data) < 0 ||
            ssh_wire_add_u32(&request, flags_for(data)) < 0)
            return SSH_AGENT_E_FAILED;
        return ask(a, strbuf_str(&request));
    }
    r = answer(a, SIGN_RESPONSE, &body);
    if (r)
        return r;
    if (ssh_wire_string(&body, &blob) < 0 ||
        ssh_wire_string(&blob, &method) < 0)
        return SSH_AGENT_E_FAILED;
    if (str_has_prefix(method, S("sk-"))) {
        *signature = blob;
        return 0;
    }
    return ssh_wire_string(&blob, signature) < 0 ? SSH_AGENT_E_FAILED : 0;
}
