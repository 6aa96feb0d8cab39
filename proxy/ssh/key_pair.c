#include "proxy/ssh/key_pair.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/base/base64.h"
#include "proxy/ssh/ssh_wire.h"

#define KEY_TYPE      "ssh-ed25519"
#define HALF          32 /* bytes of the secret, and of the public key */
#define CIPHER_BLOCK  8  /* that what is not encrypted is padded to, too */
#define LINE_LENGTH   70
#define LIMIT_COMMENT 255
#define LIMIT_KEY     2048

struct pair {
    unsigned char secret[HALF];
    unsigned char public[HALF];
};

static void wipe_pair(struct pair *pair)
{
    explicit_bzero(pair, sizeof(*pair));
}

static void wipe(struct strbuf *text)
{
    if (text->ptr)
        explicit_bzero(text->ptr, text->len);
    strbuf_fini(text);
}

/* Never moved while it grows, which would leave a copy behind. */
static void make_room(struct strbuf *text)
{
    strbuf_reserve(text, text->max);
}

static int generate(struct pair *pair)
{
    size_t secret = HALF, public = HALF;
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    bool good = key &&
                EVP_PKEY_get_raw_private_key(key, pair->secret, &secret) &&
                EVP_PKEY_get_raw_public_key(key, pair->public, &public);

    EVP_PKEY_free(key);
    return good ? 0 : -EIO;
}

static struct str public_half(const struct pair *pair)
{
    return str_of((const char *)pair->public, HALF);
}

static void put_public(struct strbuf *out, const struct pair *pair)
{
    ssh_wire_add_string(out, S(KEY_TYPE));
    ssh_wire_add_string(out, public_half(pair));
}

/* openssh PROTOCOL.key: what would be encrypted, if there was a passphrase. */
static int put_private(struct strbuf *out, const struct pair *pair,
                       struct str comment)
{
    AUTO(wipe) struct strbuf both = STRBUF(2 * HALF);
    unsigned char check[4];
    char pad = 0;

    if (RAND_bytes(check, sizeof(check)) != 1)
        return -EIO;
    make_room(&both);
    strbuf_add(&both, str_of((const char *)pair->secret, HALF));
    strbuf_add(&both, public_half(pair));
    for (int i = 0; i < 2; i++)
        strbuf_add(out, str_of((const char *)check, sizeof(check)));
    put_public(out, pair);
    ssh_wire_add_string(out, strbuf_str(&both));
    ssh_wire_add_string(out, comment);
    while (out->len % CIPHER_BLOCK)
        strbuf_add_char(out, ++pad);
    return 0;
}

static int put_private_file(struct strbuf *out, const struct pair *pair,
                            struct str comment)
{
    static const char magic[] = "openssh-key-v1"; /* with its NUL */
    AUTO(wipe) struct strbuf inner = STRBUF(LIMIT_KEY);
    AUTO(wipe) struct strbuf all = STRBUF(LIMIT_KEY);
    AUTO(wipe) struct strbuf text = STRBUF(LIMIT_KEY);
    AUTO(strbuf_fini) struct strbuf public = STRBUF(LIMIT_KEY);
    int r;

    make_room(&inner);
    make_room(&all);
    make_room(&text);
    r = put_private(&inner, pair, comment);
    if (r < 0)
        return r;
    put_public(&public, pair);
    strbuf_add(&all, str_of(magic, sizeof(magic)));
    ssh_wire_add_string(&all, S("none")); /* cipher */
    ssh_wire_add_string(&all, S("none")); /* key derivation */
    ssh_wire_add_string(&all, S(""));     /* and its options */
    ssh_wire_add_u32(&all, 1);            /* keys */
    ssh_wire_add_string(&all, strbuf_str(&public));
    ssh_wire_add_string(&all, strbuf_str(&inner));
    base64_encode(strbuf_str(&all), &text);
    strbuf_add(out, S("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
    for (struct str rest = strbuf_str(&text); rest.len;) {
        struct str line = str_head(rest, LINE_LENGTH);

        strbuf_addf(out, "%.*s\n", STR_FMT(line));
        rest = str_from_index(rest, line.len);
    }
    return strbuf_add(out, S("-----END OPENSSH PRIVATE KEY-----\n"));
}

static void put_public_line(struct strbuf *out, const struct pair *pair,
                            struct str comment)
{
    AUTO(strbuf_fini) struct strbuf blob = STRBUF(LIMIT_KEY);

    put_public(&blob, pair);
    strbuf_add(out, S(KEY_TYPE " "));
    base64_encode(strbuf_str(&blob), out);
    strbuf_add_char(out, ' ');
    strbuf_add(out, comment);
}

/* A new file, whole and on the disk, or none. */
static int write_file(const char *path, mode_t mode, struct str content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    int error = 0;

    if (fd < 0)
        return -errno;
    if (write(fd, content.ptr, content.len) != (ssize_t)content.len ||
        fsync(fd) < 0)
        error = errno ? errno : EIO;
    if (close(fd) < 0 && !error)
        error = errno;
    if (error)
        unlink(path);
    return -error;
}

static int trouble(struct strbuf *why, const char *path, int error)
{
    strbuf_addf(why, "cannot make the key %s: %s%s", path, strerror(-error),
                error == -EEXIST ? "; one that is there is never overwritten"
                                 : "");
    return error;
}

int key_pair_make(const char *path, const char *comment, struct strbuf *public,
                  struct strbuf *why)
{
    AUTO(wipe_pair) struct pair pair = {0};
    AUTO(wipe) struct strbuf private = STRBUF(2 * LIMIT_KEY);
    AUTO(strbuf_fini) struct strbuf name = STRBUF(4096);
    AUTO(strbuf_fini) struct strbuf line = STRBUF(LIMIT_KEY);
    AUTO(strbuf_fini) struct strbuf remark = STRBUF(LIMIT_COMMENT);
    int r = strbuf_addf(&name, "%s.pub", path);

    make_room(&private);
    ssh_wire_add_words(&remark, str_from(comment));
    if (r == 0)
        r = generate(&pair);
    if (r == 0)
        r = put_private_file(&private, &pair, strbuf_str(&remark));
    if (r == 0)
        r = write_file(path, 0600, strbuf_str(&private));
    if (r < 0)
        return trouble(why, path, r);
    put_public_line(&line, &pair, strbuf_str(&remark));
    strbuf_add_char(&line, '\n');
    r = write_file(strbuf_cstr(&name), 0644, strbuf_str(&line));
    if (r < 0) {
        unlink(path);
        return trouble(why, strbuf_cstr(&name), r);
    }
    strbuf_add(public, str_head(strbuf_str(&line), line.len - 1));
    return 0;
}

/* sshd knows the engine's socket by either name, and takes each literally. */
static void put_permission(struct strbuf *out, struct str socket)
{
    struct str rest = str_from_index(socket, strlen("/var"));

    strbuf_addf(out, ",permitopen=\"[%.*s]:*\"", STR_FMT(socket));
    if (str_has_prefix(socket, S("/var/run/")))
        strbuf_addf(out, ",permitopen=\"[%.*s]:*\"", STR_FMT(rest));
}

void key_pair_put_advice(struct strbuf *out, const char *public,
                         const char *socket)
{
    strbuf_addf(out,
                "have it let in on the Docker host, as root, by\n\n"
                "    host-setup.sh --key '%s'\n\n"
                "or by this line in the authorized_keys of an account that may "
                "use the engine:\n\n"
                "    restrict,port-forwarding",
                public);
    put_permission(out, str_from(socket));
    strbuf_addf(out, ",command=\"/bin/false\" %s\n", public);
}

int key_pair_ensure(const struct policy *policy, struct strbuf *advice,
                    struct strbuf *why)
{
    const struct upstream_config *upstream = &policy->upstream;
    AUTO(strbuf_fini) struct strbuf public = STRBUF(LIMIT_KEY);
    AUTO(strbuf_fini) struct strbuf comment = STRBUF(LIMIT_COMMENT);
    int r;

    if (upstream->kind != UPSTREAM_SSH ||
        !policy->upstream_keys.generate_identity ||
        upstream->identity_count == 0 ||
        access(upstream->identities[0], F_OK) == 0)
        return 0;
    strbuf_addf(&comment, "berth-%s", policy->namespace);
    r = key_pair_make(upstream->identities[0], strbuf_cstr(&comment), &public,
                      why);
    if (r < 0)
        return r;
    strbuf_addf(advice, "made the key %s; ", upstream->identities[0]);
    key_pair_put_advice(advice, strbuf_cstr(&public), upstream->path);
    return 0;
}
