#include "proxy/ssh/ssh_login.h"

#include <errno.h>
#include <stdlib.h>

#include "policy/ssh_config/ssh_config.h"
#include "proxy/base/log.h"
#include "proxy/ssh/ssh_host_key.h"
#include "proxy/ssh/ssh_wire.h"

#define LIMIT_GOODBYE    200
#define LIMIT_TEARS      64
#define LIMIT_ALGORITHMS (8 * KIB)
#define LIMIT_SHOWN      200

/*
 * What we want the server to choose from, best first. Both directions get the
 * same list, since libssh2 1.11 cannot mix a cipher that authenticates itself
 * with one that does not. Of the ciphers that libssh2 1.10 has, AES-CTR with
 * the smallest key is fastest. With 1.11.1 it is AES-GCM (see ctr_batch.c),
 * which needs no MAC besides; libssh2's chacha20, in plain C, takes up to twice
 * the time, and needs strict key exchange to be safe (Terrapin).
 */
static const struct preference {
    int method;
    int since; /* LIBSSH2_VERSION_NUM */
    const char *names;
} preferences[] = {
    {LIBSSH2_METHOD_CRYPT_CS, 0x010b01,
     "aes128-gcm@openssh.com,aes256-gcm@openssh.com,"
     "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr"     },
    {LIBSSH2_METHOD_CRYPT_SC, 0x010b01,
     "aes128-gcm@openssh.com,aes256-gcm@openssh.com,"
     "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr"     },
    {LIBSSH2_METHOD_CRYPT_CS, 0,        "aes128-ctr,aes192-ctr,aes256-ctr"},
    {LIBSSH2_METHOD_CRYPT_SC, 0,        "aes128-ctr,aes192-ctr,aes256-ctr"},
    {LIBSSH2_METHOD_MAC_CS,   0,        "hmac-sha2-256,hmac-sha2-512"     },
    {LIBSSH2_METHOD_MAC_SC,   0,        "hmac-sha2-256,hmac-sha2-512"     },
    {LIBSSH2_METHOD_COMP_CS,  0,        "none"                            },
    {LIBSSH2_METHOD_COMP_SC,  0,        "none"                            },
};

/* The first row of METHOD that this library is new enough for, or NULL. */
static const char *preferred(int method)
{
    for (size_t i = 0; i < sizeof(preferences) / sizeof(*preferences); i++)
        if (preferences[i].method == method &&
            libssh2_version(preferences[i].since))
            return preferences[i].names;
    return NULL;
}

static bool supports(LIBSSH2_SESSION *session, int method, struct str name)
{
    const char **names = NULL;
    int count = libssh2_session_supported_algs(session, method, &names);
    bool found = false;

    for (int i = 0; i < count && !found; i++)
        found = str_eq(str_from(names[i]), name);
    if (count > 0)
        libssh2_free(session, names);
    return found;
}

/* All that the library has, best first; for methods without a preference. */
static void put_supported(LIBSSH2_SESSION *session, int method,
                          struct strbuf *out)
{
    const char **names = NULL;
    int count = libssh2_session_supported_algs(session, method, &names);

    for (int i = 0; i < count; i++)
        strbuf_addf(out, "%s%s", i ? "," : "", names[i]);
    if (count > 0)
        libssh2_free(session, names);
}

/* Have METHOD be one of those that LIST, which is behind OPTION of an
 * ssh_config, asks for. */
static int choose(LIBSSH2_SESSION *session, int method, const char *option,
                  const char *list, struct strbuf *why)
{
    AUTO(strbuf_fini) struct strbuf usual = STRBUF(LIMIT_ALGORITHMS);
    AUTO(strbuf_fini) struct strbuf wanted = STRBUF(LIMIT_ALGORITHMS);
    AUTO(strbuf_fini) struct strbuf known = STRBUF(LIMIT_ALGORITHMS);
    struct str rest, one;

    if (!list)
        return 0;
    if (preferred(method))
        strbuf_add(&usual, str_from(preferred(method)));
    else
        put_supported(session, method, &usual);
    ssh_config_algorithms(str_from(list), strbuf_str(&usual), &wanted);
    rest = strbuf_str(&wanted);
    while (rest.len) {
        str_cut(rest, ',', &one, &rest);
        if (supports(session, method, one))
            strbuf_addf(&known, "%s%.*s", known.len ? "," : "", STR_FMT(one));
    }
    if (known.len &&
        libssh2_session_method_pref(session, method, strbuf_cstr(&known)) == 0)
        return 0;
    strbuf_addf(why,
                "%s \"%.*s\" of ssh_config names none that libssh2 %s has; add "
                "one of %.*s",
                option, STR_FMT(str_head(str_from(list), LIMIT_SHOWN)),
                libssh2_version(0), STR_FMT(strbuf_str(&usual)));
    return SSH_LOGIN_E_REFUSED;
}

static int choose_algorithms(LIBSSH2_SESSION *session,
                             const struct upstream_config *config,
                             struct strbuf *why)
{
    const struct {
        int method;
        const char *option;
        const char *list;
    } all[] = {
        {LIBSSH2_METHOD_CRYPT_CS, "Ciphers",       config->ciphers       },
        {LIBSSH2_METHOD_CRYPT_SC, "Ciphers",       config->ciphers       },
        {LIBSSH2_METHOD_MAC_CS,   "MACs",          config->macs          },
        {LIBSSH2_METHOD_MAC_SC,   "MACs",          config->macs          },
        {LIBSSH2_METHOD_KEX,      "KexAlgorithms", config->kex_algorithms},
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < sizeof(all) / sizeof(*all); i++)
        r = choose(session, all[i].method, all[i].option, all[i].list, why);
    return r;
}

static void prefer_algorithms(LIBSSH2_SESSION *session)
{
    int done = 0;

    for (size_t i = 0; i < sizeof(preferences) / sizeof(*preferences); i++) {
        const struct preference *p = &preferences[i];

        /* the first row of a method that this library is new enough for */
        if (done & 1 << p->method || !libssh2_version(p->since))
            continue;
        done |= 1 << p->method;
        libssh2_session_method_pref(session, p->method, p->names);
    }
}

static LIBSSH2_DISCONNECT_FUNC(on_disconnect)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_GOODBYE);
    struct ssh_transport *t = *abstract;
    struct ssh_login *login = t->owner;

    (void)session;
    (void)reason;
    (void)language;
    (void)language_len;
    if (message && message_len > 0)
        ssh_wire_add_words(&text, str_of(message, (size_t)message_len));
    free(login->goodbye);
    login->goodbye = xstr_dup(strbuf_str(&text));
}

static void set_callbacks(struct ssh_login *login)
{
#if LIBSSH2_VERSION_NUM >= 0x010b01
    libssh2_session_callback_set2(login->session, LIBSSH2_CALLBACK_DISCONNECT,
                                  (libssh2_cb_generic *)on_disconnect);
#else
    union { /* as in ssh_transport_attach */
        LIBSSH2_DISCONNECT_FUNC((*disconnect));
        void *pointer;
    } callback = {.disconnect = on_disconnect};

    libssh2_session_callback_set(login->session, LIBSSH2_CALLBACK_DISCONNECT,
                                 callback.pointer);
#endif
    ssh_transport_attach(login->transport, login->session);
}

int ssh_login_init(struct ssh_login *login,
                   const struct upstream_config *config,
                   struct ssh_transport *transport, const struct waker *waker,
                   struct strbuf *why)
{
    static bool library_ready;

    *login = (struct ssh_login){.config = config, .transport = transport};
    if (!library_ready && libssh2_init(0) != 0) {
        strbuf_add(why, S("libssh2 does not start"));
        return SSH_LOGIN_E_REFUSED;
    }
    library_ready = true;
    login->session = libssh2_session_init_ex(NULL, NULL, NULL, transport);
    if (!login->session) {
        strbuf_add(why, S("no memory for an SSH session"));
        return SSH_LOGIN_E_REFUSED;
    }
    transport->owner = login;
    libssh2_session_set_blocking(login->session, 0);
    set_callbacks(login);
    prefer_algorithms(login->session);
    ssh_auth_init(&login->auth, config, login->session, waker);
    if (choose_algorithms(login->session, config, why))
        return SSH_LOGIN_E_REFUSED;
    if (ssh_host_key_prefer(login->session, config, why)) {
        login->state = SSH_LOGIN_HOST_KEY;
        return SSH_LOGIN_E_REFUSED;
    }
    return 0;
}

void ssh_login_fini(struct ssh_login *login)
{
    int tries = 0;

    if (login->session) {
        /* every call fails from here on, which is what lets libssh2 free
         * channels without waiting for the server */
        ssh_transport_cut(login->transport);
        while (libssh2_session_free(login->session) == LIBSSH2_ERROR_EAGAIN &&
               ++tries < LIMIT_TEARS)
            ;
        if (tries == LIMIT_TEARS)
            log_error("libssh2 did not free a session; its memory is lost");
        ssh_auth_fini(&login->auth);
    }
    free(login->goodbye);
    *login = (struct ssh_login){0};
}

void ssh_login_explain(const struct ssh_login *login, struct strbuf *why)
{
    const struct ssh_transport *t = login->transport;
    struct str greeting = ssh_transport_greeting(t);
    char *text = NULL;

    if (login->goodbye) {
        strbuf_addf(why, "the SSH server disconnected: %s", login->goodbye);
    } else if (greeting.len) {
        strbuf_add(why, S("the SSH server answered: "));
        ssh_wire_add_words(why, greeting);
    } else if (t->error) {
        strbuf_addf(why, "the SSH connection broke: %s", strerror(t->error));
    } else if (t->eof) {
        strbuf_add(why, S("the SSH server closed the connection"));
    } else {
        libssh2_session_last_error(login->session, &text, NULL, 0);
        strbuf_addf(why, "the SSH session failed: %s", text ? text : "?");
    }
}

static int fail(struct ssh_login *login, struct strbuf *why)
{
    struct str greeting = ssh_transport_greeting(login->transport);

    ssh_login_explain(login, why);
    /* sshd's MaxAuthTries; who goes on is shut out as an attacker */
    if (login->goodbye && strstr(login->goodbye, "Too many authentication")) {
        strbuf_addf(why, ": it counts each key that is shown; name the right "
                         "one in upstream.identity, alone, or its public half "
                         "(KEY.pub) if an agent holds it");
        return SSH_LOGIN_E_REFUSED;
    }
    /* sshd's penalty for trying too often: only patience helps */
    return str_has_prefix(greeting, S("Not allowed at this time"))
               ? SSH_LOGIN_E_REFUSED
               : SSH_LOGIN_E_FAILED;
}

static int shake_hands(struct ssh_login *login, struct strbuf *why)
{
    int r = libssh2_session_handshake(login->session, login->transport->handle);

    if (r == LIBSSH2_ERROR_EAGAIN)
        return -EAGAIN;
    if (r != 0)
        return fail(login, why);
    login->state = SSH_LOGIN_HOST_KEY;
    return 0;
}

static int check_host_key(struct ssh_login *login, struct strbuf *why)
{
    if (ssh_host_key_check(login->session, login->config, why))
        return SSH_LOGIN_E_REFUSED;
    login->state = SSH_LOGIN_AUTH;
    return 0;
}

static int authenticate(struct ssh_login *login, struct strbuf *why)
{
    int r = ssh_auth_step(&login->auth, why);

    if (r == -EAGAIN)
        return r;
    if (r == SSH_AUTH_E_REFUSED)
        return SSH_LOGIN_E_REFUSED;
    if (r < 0)
        return fail(login, why);
    ssh_auth_fini(&login->auth);
    login->state = SSH_LOGIN_DONE;
    return 0;
}

int ssh_login_step(struct ssh_login *login, struct strbuf *why)
{
    int r = 0;

    while (r == 0) {
        switch (login->state) {
        case SSH_LOGIN_HANDSHAKE:
            r = shake_hands(login, why);
            break;
        case SSH_LOGIN_HOST_KEY:
            r = check_host_key(login, why);
            break;
        case SSH_LOGIN_AUTH:
            r = authenticate(login, why);
            break;
        case SSH_LOGIN_DONE:
            return 0;
        }
    }
    return r;
}
