#include "proxy/ssh/key_hint.h"

#include <ctype.h>
#include <libssh2.h>

#include "proxy/base/base64.h"

#define PUBLIC_PART 200 /* characters: names of algorithms, type of key */

/* The public part, which is first in a key of OpenSSH's, as bytes. */
static void put_public_part(const struct key_file *key, struct strbuf *out)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(PUBLIC_PART);
    const char *at = strchr(key->data, '\n');

    for (; at && *at && text.len < PUBLIC_PART; at++)
        if (!isspace((unsigned char)*at))
            strbuf_add_char(&text, *at);
    base64_decode(strbuf_str(&text), out);
}

#define NEEDS_1_11                                                             \
    " (libssh2 before 1.11 signs with RSA keys only by SHA-1, which servers "  \
    "refuse; use an ed25519 key)"
#define OF_A_TOKEN                                                             \
    " (it belongs to a FIDO token, which berth reaches through an agent "      \
    "only: ssh-add it, and name its public half, KEY.pub)"
#define IS_PUBLIC                                                              \
    " (it is a public key; name the private one, or let this name end in "     \
    ".pub if an agent holds that)"

/* What is to be said of a key that did not serve, rather than that somebody
 * should look for the reason on the server. */
static const struct {
    const char *text; /* how the file begins, */
    const char *type; /* or what is in its public part */
    int since;        /* not from this LIBSSH2_VERSION_NUM on; or 0 */
    const char *hint;
} hints[] = {
    {"-----BEGIN RSA PRIVATE KEY", NULL,             0x010b00, NEEDS_1_11},
    {NULL,                         "ssh-rsa",        0x010b00, NEEDS_1_11},
    {NULL,                         "sk-ssh-ed25519", 0,        OF_A_TOKEN},
    {NULL,                         "sk-ecdsa-sha2",  0,        OF_A_TOKEN},
    {NULL,                         "ssh-dss",        0,
     " (servers do not accept DSA keys any more; use an ed25519 key)"    },
    {"PuTTY-User-Key-File",        NULL,             0,
     " (it is a key of PuTTY's; \"puttygen KEY -O private-openssh\" makes one "
     "that berth reads)"                                                 },
    {"-----BEGIN DSA PRIVATE KEY", NULL,             0,
     " (servers do not accept DSA keys any more; use an ed25519 key)"    },
    {"ssh-",                       NULL,             0,        IS_PUBLIC },
    {"ecdsa-sha2-",                NULL,             0,        IS_PUBLIC },
};

const char *key_hint(const struct key_file *key)
{
    AUTO(strbuf_fini) struct strbuf part = STRBUF(PUBLIC_PART);
    struct str text = str_of(key->data, key->len);

    put_public_part(key, &part);
    for (size_t i = 0; i < sizeof(hints) / sizeof(*hints); i++) {
        const char *type = hints[i].type;

        if (hints[i].since && libssh2_version(hints[i].since))
            continue;
        if (type ? part.len && memmem(part.ptr, part.len, type, strlen(type))
                 : str_has_prefix(text, str_from(hints[i].text)))
            return hints[i].hint;
    }
    return "";
}
