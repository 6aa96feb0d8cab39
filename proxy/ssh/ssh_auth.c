#include "proxy/ssh/ssh_auth.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy/base/base64.h"
#include "proxy/ssh/key_hint.h"
#include "proxy/ssh/ssh_wire.h"

#define LIMIT_TRIED   4096
#define LIMIT_ACCEPTS 256

void ssh_auth_init(struct ssh_auth *auth, const struct upstream_config *config,
                   LIBSSH2_SESSION *session, const struct waker *waker)
{
    *auth = (struct ssh_auth){
        .config = config,
        .session = session,
        .waker = *waker,
        .self = auth,
        .accepts = STRBUF(LIMIT_ACCEPTS),
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
    ssh_agent_free(auth->agent);
    auth->agent = NULL;
    free(auth->signed_by);
    auth->signed_by = NULL;
    strbuf_fini(&auth->tried);
    strbuf_fini(&auth->accepts);
}

/* What went wrong in the call that returned ERROR. libssh2 tells of some
 * failures only by their number; what it said last is then about another. */
static const char *explain(struct ssh_auth *auth, int error)
{
    char *text = NULL;

    if (error == LIBSSH2_ERROR_AUTHENTICATION_FAILED)
        return "the server does not accept this key";
    if (libssh2_session_last_errno(auth->session) == error)
        libssh2_session_last_error(auth->session, &text, NULL, 0);
    if (text && strcmp(text, "No supported cipher found") == 0)
        return "it is encrypted with a cipher that libssh2 does not have; "
               "\"ssh-keygen -p -Z aes256-ctr -f KEY\" encrypts it with one "
               "that it has";
    /* what it says of a file that it cannot read is about its own parser */
    if (text && error != LIBSSH2_ERROR_PROTO && error != LIBSSH2_ERROR_FILE)
        return text;
    return auth->config->passphrase_file
               ? "cannot be read: not a key, or another passphrase"
               : "cannot be read: not a key, or it needs a passphrase_file";
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

    strbuf_addf(why,
                "the SSH server did not let %s in; have a key let in over "
                "there (host-setup.sh)",
                config->user);
    if (!auth->takes_keys && auth->accepts.len)
        strbuf_addf(why, "; it takes no keys for this account (see its "
                         "PubkeyAuthentication and AuthenticationMethods), and "
                         "berth has nothing else");
    else if (auth->tried.len)
        strbuf_addf(why, "; tried %.*s", STR_FMT(strbuf_str(&auth->tried)));
    else
        strbuf_addf(why, "; no identity is configured to try");
    if (auth->accepts.len)
        strbuf_addf(why, "; the server accepts %.*s",
                    STR_FMT(strbuf_str(&auth->accepts)));
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

/* Ask what the server accepts, at first, or after a key that it took. */
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
    strbuf_clear(&auth->accepts);
    ssh_wire_add_words(&auth->accepts, str_from(methods));
    if (auth->state == SSH_AUTH_MORE) {
        note(auth, auth->signed_by,
             strstr(methods, "publickey")
                 ? "the server does not accept its signature, or it alone"
                 : "the server accepts this key, but wants more than keys "
                   "(see its AuthenticationMethods), and berth has nothing "
                   "else");
        auth->state = auth->agent ? SSH_AUTH_AGENT_NEXT : SSH_AUTH_NEXT;
        return strstr(methods, "publickey") ? 0 : refuse(auth, why);
    }
    auth->takes_keys = strstr(methods, "publickey") != NULL;
    if (!auth->takes_keys)
        return refuse(auth, why);
    auth->state = SSH_AUTH_NEXT;
    return 0;
}

/* A certificate beside the key, as ssh looks for it. Most have none; libssh2
 * knows them from 1.11 on. */
static int load_certificate(struct ssh_auth *auth, const char *path,
                            struct strbuf *why)
{
    AUTO(strbuf_fini) struct strbuf name = STRBUF(PATH_MAX);

    if (LIBSSH2_VERSION_NUM < 0x010b00 ||
        strbuf_addf(&name, "%s-cert.pub", path) < 0 ||
        access(strbuf_cstr(&name), F_OK) < 0)
        return 0;
    return key_file_read(strbuf_cstr(&name), LIMIT_KEY_FILE, KEY_FILE_PUBLIC,
                         &auth->cert, why);
}

/* Fill key, certificate and passphrase for the identity at PATH. */
static int load(struct ssh_auth *auth, const char *path, struct strbuf *why)
{
    const char *phrase_file = auth->config->passphrase_file;
    int r =
        key_file_read(path, LIMIT_KEY_FILE, KEY_FILE_PRIVATE, &auth->key, why);

    if (r)
        return r;
    if (phrase_file) {
        r = key_file_read(phrase_file, LIMIT_KEY_FILE, KEY_FILE_PRIVATE,
                          &auth->phrase, why);
        if (r)
            return r;
        auth->phrase.data[strcspn(auth->phrase.data, "\r\n")] = '\0';
    }
    return load_certificate(auth, path, why);
}

static int next(struct ssh_auth *auth, struct strbuf *why)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(2 * PATH_MAX);

    if (auth->next == auth->config->identity_count) {
        if (!auth->config->agent)
            return refuse(auth, why);
        auth->agent = ssh_agent_new(auth->config->agent_socket
                                        ? auth->config->agent_socket
                                        : getenv("SSH_AUTH_SOCK"),
                                    &auth->waker);
        auth->state = SSH_AUTH_AGENT_LIST;
        return 0;
    }
    /* the public half of one that an agent holds */
    if (str_has_suffix(str_from(auth->config->identities[auth->next]),
                       S(".pub"))) {
        auth->next++;
        return 0;
    }
    if (load(auth, auth->config->identities[auth->next], &text)) {
        note_str(auth, &text);
        forget_key(auth);
        auth->next++;
        return 0;
    }
    auth->state = SSH_AUTH_FILE;
    return 0;
}

/* The server took the signature of KEY, which is noted once it has said whether
 * something else would be needed besides (RFC 4252, 5.1). */
static void ask_for_more(struct ssh_auth *auth, const char *key)
{
    free(auth->signed_by);
    auth->signed_by = xstrdup(key);
    auth->state = SSH_AUTH_MORE;
}

static int offer(struct ssh_auth *auth)
{
    AUTO(strbuf_fini) struct strbuf result = STRBUF(LIMIT_TRIED);
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
    } else if (r == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED) {
        auth->next++;
        ask_for_more(auth, path);
    } else {
        strbuf_addf(&result, "%s%s", explain(auth, r), key_hint(&auth->key));
        note(auth, path, strbuf_cstr(&result));
        auth->next++;
        auth->state = SSH_AUTH_NEXT;
    }
    forget_key(auth);
    return 0;
}

static int list_agent(struct ssh_auth *auth, struct strbuf *why)
{
    int r = ssh_agent_keys(auth->agent, &auth->agent_count, &auth->agent_keys);

    if (r == -EAGAIN)
        return r;
    if (r || auth->agent_count == 0) {
        note(auth, "ssh-agent",
             r ? "none answers at its socket" : "it has no keys");
        return refuse(auth, why);
    }
    auth->agent_all = auth->agent_keys;
    auth->agent_left = auth->agent_count;
    auth->agent_named = true;
    auth->state = SSH_AUTH_AGENT_NEXT;
    return 0;
}

/* Does the file PATH hold the agent's key, as "type base64 comment"? */
static bool file_has(const char *path, struct str base64)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(2 * PATH_MAX);
    AUTO(key_file_fini) struct key_file file = {0};
    struct str type, rest, text;

    if (key_file_read(path, LIMIT_KEY_FILE, KEY_FILE_PUBLIC, &file, &why))
        return false;
    str_cut(str_of(file.data, file.len), '\n', &text, &rest);
    str_cut(text, ' ', &type, &rest);
    str_cut(str_trim(rest), ' ', &text, &rest);
    while (text.len && isspace((unsigned char)text.ptr[text.len - 1]))
        text.len--;
    return str_eq(text, base64);
}

/* Is the agent's key one that a configured file names? */
static bool is_named(const struct ssh_auth *auth)
{
    AUTO(strbuf_fini) struct strbuf base64 = STRBUF(2 * LIMIT_KEY_FILE);

    base64_encode(auth->agent_key, &base64);
    for (size_t i = 0; i < auth->config->identity_count; i++) {
        const char *path = auth->config->identities[i];
        AUTO(strbuf_fini) struct strbuf public = STRBUF(PATH_MAX);

        if (!str_has_suffix(str_from(path), S(".pub")) &&
            strbuf_addf(&public, "%s.pub", path) == 0 &&
            file_has(strbuf_cstr(&public), strbuf_str(&base64)))
            return true;
        if (str_has_suffix(str_from(path), S(".pub")) &&
            file_has(path, strbuf_str(&base64)))
            return true;
    }
    return false;
}

/* Why the library cannot log in with the agent's key, or NULL. Such a key is
 * not even offered: servers count. */
static const char *unusable(const struct ssh_auth *auth)
{
    struct str key = auth->agent_key, type = {0};

    ssh_wire_string(&key, &type);
    if (str_has_prefix(type, S("sk-")) && !libssh2_version(0x010b00))
        return "is of a FIDO token, which libssh2 before 1.11 cannot log in "
               "with (use Debian 13)";
    if (memmem(type.ptr, type.len, "-cert-v01@", strlen("-cert-v01@")))
        return "is a certificate, which libssh2 can only take from a file "
               "beside its key (KEY-cert.pub, with 1.11)";
    return NULL;
}

static void name_agent_key(const struct ssh_auth *auth, struct strbuf *name)
{
    strbuf_add(name, S("ssh-agent's key "));
    ssh_wire_add_words(name, auth->agent_name);
}

/* Those that files name are tried first: servers count the tries. */
static int next_of_agent(struct ssh_auth *auth, struct strbuf *why)
{
    AUTO(strbuf_fini) struct strbuf name = STRBUF(PATH_MAX);

    if (auth->agent_count == 0 && auth->agent_named &&
        !auth->config->identities_only) {
        auth->agent_named = false;
        auth->agent_keys = auth->agent_all;
        auth->agent_count = auth->agent_left;
    }
    if (auth->agent_count == 0 ||
        ssh_wire_string(&auth->agent_keys, &auth->agent_key) < 0 ||
        ssh_wire_string(&auth->agent_keys, &auth->agent_name) < 0)
        return refuse(auth, why);
    auth->agent_count--;
    if (is_named(auth) != auth->agent_named)
        return 0; /* not in this round */
    if (unusable(auth)) {
        name_agent_key(auth, &name);
        note(auth, strbuf_cstr(&name), unusable(auth));
        return 0;
    }
    auth->unsigned_by_agent = false;
    auth->state = SSH_AUTH_AGENT;
    return 0;
}

static LIBSSH2_USERAUTH_PUBLICKEY_SIGN_FUNC(on_sign)
{
    struct ssh_auth *auth = *abstract;
    struct str signature;
    int r;

    (void)session;
    r = ssh_agent_sign(auth->agent, auth->agent_key,
                       str_of((const char *)data, data_len), &signature);
    if (r == -EAGAIN)
        return LIBSSH2_ERROR_EAGAIN;
    auth->unsigned_by_agent = r != 0;
    if (r)
        return -1;
    /* libssh2 frees it, with the default allocator that the session has */
    *sig = xcalloc(1, signature.len + 1);
    memcpy(*sig, signature.ptr, signature.len);
    *sig_len = signature.len;
    return 0;
}

static int offer_of_agent(struct ssh_auth *auth)
{
    AUTO(strbuf_fini) struct strbuf name = STRBUF(PATH_MAX);
    int r =
        libssh2_userauth_publickey(auth->session, auth->config->user,
                                   (const unsigned char *)auth->agent_key.ptr,
                                   auth->agent_key.len, on_sign, &auth->self);

    if (r == LIBSSH2_ERROR_EAGAIN)
        return -EAGAIN;
    if (is_broken(r))
        return -EIO;
    if (r == 0) {
        auth->state = SSH_AUTH_DONE;
        return 0;
    }
    name_agent_key(auth, &name);
    if (auth->unsigned_by_agent) {
        note(auth, strbuf_cstr(&name),
             "the agent did not sign with it (did somebody say no, is it "
             "locked, is the token there?)");
        auth->state = SSH_AUTH_AGENT_NEXT;
        return 0;
    }
    if (r == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED) {
        ask_for_more(auth, strbuf_cstr(&name));
        return 0;
    }
    note(auth, strbuf_cstr(&name), explain(auth, r));
    auth->state = SSH_AUTH_AGENT_NEXT;
    return 0;
}

bool ssh_auth_waits_for_agent(const struct ssh_auth *auth)
{
    return auth->state == SSH_AUTH_AGENT && ssh_agent_is_asked(auth->agent);
}

int ssh_auth_step(struct ssh_auth *auth, struct strbuf *why)
{
    int r = 0;

    while (r == 0) {
        switch (auth->state) {
        case SSH_AUTH_LIST:
        case SSH_AUTH_MORE:
            r = list(auth, why);
            break;
        case SSH_AUTH_NEXT:
            r = next(auth, why);
            break;
        case SSH_AUTH_FILE:
            r = offer(auth);
            break;
        case SSH_AUTH_AGENT_LIST:
            r = list_agent(auth, why);
            break;
        case SSH_AUTH_AGENT_NEXT:
            r = next_of_agent(auth, why);
            break;
        case SSH_AUTH_AGENT:
            r = offer_of_agent(auth);
            break;
        case SSH_AUTH_DONE:
            return 0;
        }
    }
    return r;
}
