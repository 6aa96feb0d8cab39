#include "proxy/ssh_auth.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#define LIMIT_TRIED 4096

void ssh_auth_init(struct ssh_auth *auth, const struct upstream_config *config,
                   LIBSSH2_SESSION *session)
{
    *auth = (struct ssh_auth){
        .config = config,
        .session = session,
        .tried = STRBUF(LIMIT_TRIED),
    };
}

static void forget_key(struct ssh_auth *auth)
{
    key_file_fini(&auth->key);
    key_file_fini(&auth->cert);
    key_file_fini(&auth->phrase);
}

void ssh_auth_fini(struct ssh_auth *auth)
{
    forget_key(auth);
    strbuf_fini(&auth->tried);
    free(auth->accepts);
    auth->accepts = NULL;
}

static const char *last_error(LIBSSH2_SESSION *session)
{
    char *text = NULL;

    libssh2_session_last_error(session, &text, NULL, 0);
    return text ? text : "unknown error";
}

/* Note that the current key did not serve. Messages that do not fit are cut:
 * they are only there to help. */
static void note(struct ssh_auth *auth, const char *name, const char *result)
{
    strbuf_addf(&auth->tried, "%s%s: %s", auth->tried.len ? "; " : "", name,
                result);
}

static void note_str(struct ssh_auth *auth, const struct strbuf *text)
{
    strbuf_addf(&auth->tried, "%s%.*s", auth->tried.len ? "; " : "",
                STR_FMT(strbuf_str(text)));
}

static int refuse(struct ssh_auth *auth, struct strbuf *why)
{
    const struct upstream_config *config = auth->config;

    strbuf_addf(why, "the SSH server did not let %s in", config->user);
    if (auth->tried.len)
        strbuf_addf(why, "; tried %.*s", STR_FMT(strbuf_str(&auth->tried)));
    else
        strbuf_addf(why, "; no identity is configured to try");
    if (auth->accepts)
        strbuf_addf(why, "; the server accepts %s", auth->accepts);
    return SSH_AUTH_E_REFUSED;
}

static bool is_broken(int error)
{
    return error == LIBSSH2_ERROR_SOCKET_SEND ||
           error == LIBSSH2_ERROR_SOCKET_RECV ||
           error == LIBSSH2_ERROR_SOCKET_DISCONNECT ||
           error == LIBSSH2_ERROR_SOCKET_TIMEOUT ||
           error == LIBSSH2_ERROR_TIMEOUT;
}

static int list(struct ssh_auth *auth, struct strbuf *why)
{
    const char *user = auth->config->user;
    char *methods =
        libssh2_userauth_list(auth->session, user, (unsigned)strlen(user));
    int error;

    if (!methods) {
        if (libssh2_userauth_authenticated(auth->session)) {
            auth->state = SSH_AUTH_DONE; /* "none" was enough */
            return 0;
        }
        error = libssh2_session_last_errno(auth->session);
        if (error == LIBSSH2_ERROR_EAGAIN)
            return -EAGAIN;
        return is_broken(error) ? -EIO : refuse(auth, why);
    }
    auth->accepts = xstrdup(methods);
    if (!strstr(methods, "publickey"))
        return refuse(auth, why);
    auth->state = SSH_AUTH_NEXT;
    return 0;
}

/* Fill key, certificate and passphrase for the identity at PATH. */
static int load(struct ssh_auth *auth, const char *path, struct strbuf *why)
{
    const char *phrase_file = auth->config->passphrase_file;
    AUTO(strbuf_fini) struct strbuf text = STRBUF(PATH_MAX);
    int r;

    r = key_file_read(path, LIMIT_KEY_FILE, KEY_FILE_PRIVATE, &auth->key, why);
    if (r)
        return r;
    if (phrase_file) {
        r = key_file_read(phrase_file, LIMIT_KEY_FILE, KEY_FILE_PRIVATE,
                          &auth->phrase, why);
        if (r)
            return r;
        auth->phrase.data[strcspn(auth->phrase.data, "\r\n")] = '\0';
    }
#if LIBSSH2_VERSION_NUM >= 0x010b00
    /* a certificate beside the key, as ssh looks for it; most have none */
    strbuf_addf(&text, "%s-cert.pub", path);
    if (text.len && access(strbuf_cstr(&text), F_OK) == 0) {
        r = key_file_read(strbuf_cstr(&text), LIMIT_KEY_FILE, KEY_FILE_PUBLIC,
                          &auth->cert, why);
        if (r)
            return r;
    }
#endif
    return 0;
}

static int next(struct ssh_auth *auth, struct strbuf *why)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(2 * PATH_MAX);

    if (auth->next == auth->config->identity_count)
        return refuse(auth, why);
    if (load(auth, auth->config->identities[auth->next], &text)) {
        note_str(auth, &text);
        forget_key(auth);
        auth->next++;
        return 0;
    }
    auth->state = SSH_AUTH_FILE;
    return 0;
}

static int offer(struct ssh_auth *auth)
{
    const char *user = auth->config->user;
    const char *path = auth->config->identities[auth->next];
    int r = libssh2_userauth_publickey_frommemory(
        auth->session, user, strlen(user), auth->cert.data, auth->cert.len,
        auth->key.data, auth->key.len, auth->phrase.data);

    if (r == LIBSSH2_ERROR_EAGAIN)
        return -EAGAIN;
    if (is_broken(r))
        return -EIO;
    if (r == 0) {
        auth->state = SSH_AUTH_DONE;
    } else {
        /* libssh2 says "unverified" for a key that it could not even sign
         * with, and much the same for one that the server does not know */
        note(auth, path,
             r == LIBSSH2_ERROR_AUTHENTICATION_FAILED
                 ? "the server does not accept this key"
                 : last_error(auth->session));
        auth->next++;
        auth->state = SSH_AUTH_NEXT;
    }
    forget_key(auth);
    return 0;
}

int ssh_auth_step(struct ssh_auth *auth, struct strbuf *why)
{
    int r = 0;

    while (r == 0) {
        switch (auth->state) {
        case SSH_AUTH_LIST:
            r = list(auth, why);
            break;
        case SSH_AUTH_NEXT:
            r = next(auth, why);
            break;
        case SSH_AUTH_FILE:
            r = offer(auth);
            break;
        case SSH_AUTH_DONE:
            return 0;
        }
    }
    return r;
}
