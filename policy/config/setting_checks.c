#include "policy/config/setting_checks.h"

#include <ctype.h>
#include <stdlib.h>
#include <sys/un.h>

#include "policy/base/limits.h"
#include "policy/base/loopback.h"
#include "policy/config/policy.h"
#include "policy/config/upstream_proxy.h"
#include "policy/config/url.h"

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c >= 'A' && c <= 'Z') || c == '_';
}

static bool has_control(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (iscntrl((unsigned char)text.ptr[i]))
            return true;
    return false;
}

bool check_runner_name(struct str text, struct strbuf *why)
{
    if (text.len > LIMIT_RUNNER_NAME) {
        strbuf_addf(why, "is %zu bytes long; write a name of %d at most",
                    text.len, LIMIT_RUNNER_NAME);
        return false;
    }
    if (text.len > 0 && !has_control(text))
        return true;
    strbuf_addf(why, "is no name of a runner; write one without control "
                     "characters, like \"runner-1\"");
    return false;
}

bool check_absolute_path(struct str text, struct strbuf *why)
{
    if (str_has_prefix(text, S("/")) && !has_control(text))
        return true;
    strbuf_addf(why, "is no absolute path; write it from / on");
    return false;
}

bool check_socket_path(struct str text, struct strbuf *why)
{
    struct sockaddr_un address;

    if (!check_absolute_path(text, why))
        return false;
    if (text.len < sizeof(address.sun_path))
        return true;
    strbuf_addf(why,
                "is too long for a socket; write a path of %zu characters at "
                "most",
                sizeof(address.sun_path) - 1);
    return false;
}

bool check_local_listen(struct str text, struct strbuf *why)
{
    struct loopback address;

    if (str_has_prefix(text, S("/")))
        return check_socket_path(text, why);
    if (loopback_parse(text, &address))
        return true;
    strbuf_addf(why, "is no address that only this machine reaches; write the "
                     "absolute path of a Unix socket, or a loopback address "
                     "with a port, like \"127.0.0.1:9323\"");
    return false;
}

bool check_group(struct str text, struct strbuf *why)
{
    bool good = text.len > 0 && is_word_char(text.ptr[0]);

    for (size_t i = 1; good && i < text.len; i++)
        good = is_word_char(text.ptr[i]) || text.ptr[i] == '.' ||
               text.ptr[i] == '-';
    if (!good)
        strbuf_addf(why, "is no group; write its name or its number");
    return good;
}

bool check_upstream_url(struct str text, struct strbuf *why)
{
    struct url url;

    return url_parse(text, &url, why) == 0;
}

bool check_proxy_url(struct str text, struct strbuf *why)
{
    struct proxy_config proxy = {0};
    bool good = upstream_proxy_parse(text, &proxy, why) == 0;

    free(proxy.host);
    return good;
}

bool check_host_key(struct str text, struct strbuf *why)
{
    struct str hash = str_from_index(text, sizeof("SHA256:") - 1);
    bool good = str_has_prefix(text, S("SHA256:"));

    if (str_has_suffix(hash, S("=")))
        hash.len--;
    good = good && hash.len == 43;
    for (size_t i = 0; good && i < hash.len; i++)
        good = (is_word_char(hash.ptr[i]) && hash.ptr[i] != '_') ||
               hash.ptr[i] == '+' || hash.ptr[i] == '/';
    if (!good)
        strbuf_addf(why, "is no host key; write \"SHA256:\" and the 43 "
                         "characters that ssh-keygen -lf shows for it");
    return good;
}

/* Of C0 and DEL, or of C1 in UTF-8. */
static bool has_any_control(struct str text)
{
    for (size_t i = 1; i < text.len; i++) {
        if ((unsigned char)text.ptr[i - 1] == 0xc2 &&
            (unsigned char)text.ptr[i] < 0xa0)
            return true;
    }
    return has_control(text);
}

bool check_contact(struct str text, struct strbuf *why)
{
    if (text.len > LIMIT_CONTACT)
        strbuf_addf(why, "is %zu bytes long; write %d at most", text.len,
                    LIMIT_CONTACT);
    else if (text.len == 0 || has_any_control(text))
        strbuf_addf(why, "is no line of text; write one without control "
                         "characters, like \"ask in #ci\"");
    else
        return true;
    return false;
}

bool check_engine_id(struct str text, struct strbuf *why)
{
    bool good = text.len > 0 && text.len <= LIMIT_ENGINE_ID;

    for (size_t i = 0; i < text.len && good; i++)
        good = isalnum((unsigned char)text.ptr[i]) || text.ptr[i] == ':' ||
               text.ptr[i] == '-' || text.ptr[i] == '_';
    if (!good)
        strbuf_addf(why, "is no ID of an engine; write what \"docker info "
                         "--format {{.ID}}\" prints on its host");
    return good;
}

/* What is never on record, whoever asks for it. */
static bool names_a_secret(struct str name)
{
    static const char *const words[] = {
        "token",  "secret",  "passw",      "credential", "private",
        "apikey", "api_key", "access_key", "auth",
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        size_t len = strlen(words[i]);

        for (size_t at = 0; at + len <= name.len; at++) {
            if (str_eq_nocase(str_of(name.ptr + at, len), str_from(words[i])))
                return true;
        }
    }
    return false;
}

bool check_job_word(struct str text, struct strbuf *why)
{
    struct str source, name;

    str_cut(text, ':', &source, &name);
    if ((!str_eq(source, S("label")) && !str_eq(source, S("env"))) ||
        name.len == 0 || str_find(name, '=') >= 0 || has_any_control(name))
        strbuf_addf(why, "is no name of a label or variable; write "
                         "\"label:NAME\" or \"env:NAME\"");
    else if (names_a_secret(name))
        strbuf_addf(why, "sounds like a secret, which is never put on record; "
                         "take a name or number of the job");
    else
        return true;
    return false;
}

bool check_audit_target(struct str text, struct strbuf *why)
{
    if (str_eq(text, S("stdout")) || str_eq(text, S("syslog")) ||
        (str_has_prefix(text, S("/")) && !has_control(text)))
        return true;
    strbuf_addf(why, "is no place for the audit; write an absolute path, "
                     "\"stdout\" or \"syslog\"");
    return false;
}

bool check_lease(const void *object, const char **key, struct strbuf *why)
{
    const struct leftovers_policy *leftovers = object;

    *key = "lease";
    if (leftovers->lease == 0 || leftovers->lease >= 10 * 1000)
        return true;
    strbuf_addf(why, "is too short for berth to make it anew in time; write "
                     "\"10s\" or more, or \"0s\" for none");
    return false;
}
