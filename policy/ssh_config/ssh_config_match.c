/* Which blocks are meant: Host and Match. */

#include <ctype.h>
#include <stdlib.h>

#include "policy/ssh_config/ssh_config_private.h"

#define LIMIT_SUBPATTERN 1023 /* ssh takes a longer one for no match */

static char folded(char c, bool fold)
{
    return (char)(fold ? (char)tolower((unsigned char)c) : c);
}

static bool matches(struct str pattern, struct str text, bool fold)
{
    size_t p = 0, t = 0, star = pattern.len, retry = 0;

    while (t < text.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            retry = t;
        } else if (p < pattern.len &&
                   (pattern.ptr[p] == '?' ||
                    folded(pattern.ptr[p], fold) == text.ptr[t])) {
            p++;
            t++;
        } else if (star < pattern.len) {
            p = star + 1;
            t = ++retry;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

bool ssh_pattern_matches(struct str pattern, struct str text)
{
    return matches(pattern, text, false);
}

bool ssh_pattern_list_matches(struct str list, struct str text, bool fold)
{
    bool found = false;

    while (list.len) {
        struct str pattern;
        bool negated;

        str_cut(list, ',', &pattern, &list);
        negated = str_has_prefix(pattern, S("!"));
        if (negated)
            pattern = str_from_index(pattern, 1);
        if (pattern.len >= LIMIT_SUBPATTERN)
            return false;
        if (!matches(pattern, text, fold))
            continue;
        if (negated)
            return false;
        found = true;
    }
    return found;
}

int ssh_run_host(struct ssh_run *run, struct ssh_words *words)
{
    bool active = false;
    const char *word;

    while ((word = ssh_words_next(words))) {
        bool negated = *word == '!';

        if (*word == '\0')
            return ssh_run_refuse(run, "Host has an empty pattern; remove it");
        if (!ssh_pattern_matches(str_from(word + negated), str_from(run->host)))
            continue;
        active = !negated;
        if (negated)
            break;
    }
    run->active = active && !run->never;
    words->next = words->count;
    return 0;
}

/* Criteria, and whether they can be judged here. */
enum criterion {
    MATCH_HOST,
    MATCH_ORIGINAL,
    MATCH_USER,
    MATCH_LOCAL_USER,
    MATCH_EXEC,
    MATCH_OTHER,
};

static const struct {
    const char *name;
    enum criterion is;
    const char *instead; /* MATCH_OTHER and MATCH_EXEC */
} criteria[] = {
    {"host",         MATCH_HOST,       NULL                              },
    {"originalhost", MATCH_ORIGINAL,   NULL                              },
    {"user",         MATCH_USER,       NULL                              },
    {"localuser",    MATCH_LOCAL_USER, NULL                              },
    {"exec",         MATCH_EXEC,
     "would run a program, which berth never does; write the block for a "
     "Host of its own and name that in upstream.url"                     },
    {"localnetwork", MATCH_OTHER,
     "depends on the network that this machine is in; write the block for a "
     "Host of its own and name that in upstream.url"                     },
    {"tagged",       MATCH_OTHER,
     "is not known to berth; write the block for a Host of its own"      },
    {"version",      MATCH_OTHER,
     "asks for OpenSSH's version, and berth has none; write the block for a "
     "Host"                                                              },
    {"command",      MATCH_OTHER,
     "asks for a command, and berth has none; write the block for a Host"},
    {"sessiontype",  MATCH_OTHER,
     "asks for a session, and berth has none; write the block for a Host"},
};

/* The host as it is known so far. */
static int current_host(struct ssh_run *run, struct strbuf *out)
{
    const struct ssh_tokens tokens = {.host = run->query->host};

    if (run->final || !run->hostname)
        return strbuf_add(
            out, str_from(run->final ? run->hostname : run->query->host));
    return ssh_expand(run->query, &tokens, run->hostname, SSH_EXPAND_PERCENT,
                      out, run->why);
}

static bool host_fits(const char *list, struct str host)
{
    char *name = xstr_dup(host);
    bool fits;

    for (size_t i = 0; i < host.len; i++)
        name[i] = (char)tolower((unsigned char)name[i]);
    fits = ssh_pattern_list_matches(str_from(list), str_from(name), true);
    free(name);
    return fits;
}

/* Is criterion NUMBER true? 0, or SSH_CONFIG_E_REFUSED. */
static int judge(struct ssh_run *run, size_t number, const char *value,
                 bool *fits)
{
    AUTO(strbuf_fini) struct strbuf host = STRBUF(LIMIT_SSH_CONFIG_LINE);
    const char *user =
        run->config->user ? run->config->user : run->query->machine->user;
    struct str list = str_from(value);

    switch (criteria[number].is) {
    case MATCH_HOST:
        if (current_host(run, &host) != 0)
            return ssh_run_refuse(run, "HostName cannot be expanded");
        *fits = host_fits(value, strbuf_str(&host));
        return 0;
    case MATCH_ORIGINAL:
        *fits = host_fits(value, str_from(run->query->host));
        return 0;
    case MATCH_USER:
        *fits = ssh_pattern_list_matches(list, str_from(user), false);
        return 0;
    case MATCH_LOCAL_USER:
        *fits = ssh_pattern_list_matches(
            list, str_from(run->query->machine->user), false);
        return 0;
    case MATCH_EXEC:
    case MATCH_OTHER:
        break;
    }
    return ssh_run_refuse(run, "Match %s %s", criteria[number].name,
                          criteria[number].instead);
}

/* "name" or "name=value". The number in CRITERIA, or -1; *VALUE is NULL for
 * the first form. */
static int find_criterion(const char *word, const char **value)
{
    size_t n = strcspn(word, "=");

    *value = word[n] ? word + n + 1 : NULL;
    for (size_t i = 0; i < sizeof(criteria) / sizeof(criteria[0]); i++)
        if (str_eq_nocase(str_of(word, n), str_from(criteria[i].name)))
            return (int)i;
    return -1;
}

/* One criterion with a value. */
static int match_one(struct ssh_run *run, struct ssh_words *words,
                     const char *word, bool negated, bool *result)
{
    const char *value;
    int number = find_criterion(word, &value);
    bool fits = false;
    int r = 0;

    if (number < 0)
        return ssh_run_refuse(run,
                              "Match %.64s is not known; write host, "
                              "originalhost, user, localuser, final or all",
                              word);
    if (!value)
        value = ssh_words_next(words);
    if (!value || *value == '\0' || *value == '#')
        return ssh_run_refuse(run, "Match %s has no value; write one",
                              criteria[number].name);
    /* like ssh, which asks nothing more once the answer is no */
    if (*result || criteria[number].is < MATCH_EXEC)
        r = run->never ? 0 : judge(run, (size_t)number, value, &fits);
    if (fits == negated)
        *result = false;
    return r;
}

int ssh_run_match(struct ssh_run *run, struct ssh_words *words)
{
    unsigned count = 0;
    bool result = true;
    const char *word;

    while ((word = ssh_words_next(words)) && *word != '#') {
        bool negated = *word == '!';
        struct str name = str_from(word + negated);
        int r;

        if (str_eq_nocase(name, S("all"))) {
            word = ssh_words_next(words);
            if (count > 1 || (word && *word && *word != '#'))
                return ssh_run_refuse(run, "Match all goes with no other "
                                           "condition; remove one of them");
            run->active = result && !negated && !run->never;
            words->next = words->count;
            return 0;
        }
        count++;
        if (str_eq_nocase(name, S("final")) ||
            str_eq_nocase(name, S("canonical"))) {
            if (str_eq_nocase(name, S("final")) && !negated)
                run->wants_final = true;
            if (run->final == negated)
                result = false;
            continue;
        }
        r = match_one(run, words, word + negated, negated, &result);
        if (r)
            return r;
    }
    if (count == 0)
        return ssh_run_refuse(run, "Match has no condition; write one");
    run->active = result && !run->never;
    words->next = words->count;
    return 0;
}
