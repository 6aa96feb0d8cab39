/* Files, what they include, and their lines. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/ssh_config/ssh_config_private.h"

#define SYSTEM_DIRECTORY "/etc/ssh"

static int run_line(struct ssh_run *run, struct str line)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_SSH_CONFIG_LINE);
    struct ssh_words words;
    int r;

    if (line.len > LIMIT_SSH_CONFIG_LINE)
        return ssh_run_refuse(run, "is longer than %zu bytes; write less",
                              LIMIT_SSH_CONFIG_LINE);
    r = ssh_words_read(line, &words, &text);
    if (r == SSH_CONFIG_E_REFUSED)
        ssh_run_refuse(run, "%.*s", STR_FMT(strbuf_str(&text)));
    else if (r == SSH_LINE_EMPTY)
        r = 0;
    else if (str_eq_nocase(words.keyword, S("Host")))
        r = ssh_run_host(run, &words);
    else if (str_eq_nocase(words.keyword, S("Match")))
        r = ssh_run_match(run, &words);
    else if (str_eq_nocase(words.keyword, S("Include")))
        r = ssh_run_include(run, &words);
    else
        r = ssh_run_option(run, &words);
    ssh_words_fini(&words);
    return r;
}

/* The name of the file as the list of files has it, which lives longer. */
static const char *keep_name(struct ssh_run *run, const char *path)
{
    struct strings *files = &run->config->files;

    if (!strings_have(files, str_from(path)))
        strings_add(files, str_from(path));
    for (size_t i = 0; i < files->count; i++)
        if (strcmp(files->items[i], path) == 0)
            return files->items[i];
    return path;
}

static int cannot_read(struct ssh_run *run, const char *path, int error)
{
    const struct ssh_origin origin = {run->file, run->line};

    if (error == -EPERM)
        return ssh_run_refuse_at(run, &origin,
                                 "%s can be written to by others, or is "
                                 "neither root's nor this user's; chmod 600 it",
                                 path);
    if (error == -ENOBUFS)
        return ssh_run_refuse_at(run, &origin,
                                 "%s: all files together are longer than %zu "
                                 "bytes; write less",
                                 path, LIMIT_SSH_CONFIG);
    return ssh_run_refuse_at(run, &origin, "%s: %s", path, strerror(-error));
}

/* Read the file PATH, from the line that includes it. -ENOENT is nothing
 * worse than that. */
static int run_file(struct ssh_run *run, const char *path, bool careful)
{
    AUTO(strbuf_fini)
    struct strbuf text = STRBUF(LIMIT_SSH_CONFIG - run->bytes);
    const struct ssh_config_reader *reader = run->query->machine->reader;
    const char *file = run->file;
    unsigned line = run->line;
    struct str rest, one;
    int r;

    path = keep_name(run, path);
    if (++run->reads > LIMIT_SSH_CONFIG_FILES)
        return ssh_run_refuse(run,
                              "more than %d files are included; write "
                              "fewer",
                              LIMIT_SSH_CONFIG_FILES);
    r = reader ? reader->read(reader->arg, path, careful, &text) : -ENOENT;
    if (r == -ENOENT)
        return r;
    if (r < 0)
        return cannot_read(run, path, r);
    run->bytes += text.len;
    run->file = path;
    run->line = 0;
    rest = strbuf_str(&text);
    while (r == 0 && rest.len) {
        run->line++;
        str_cut(rest, '\n', &one, &rest);
        r = run_line(run, one);
    }
    if (r == 0) {
        run->file = file;
        run->line = line;
    }
    return r;
}

void ssh_tokens_fini(struct ssh_known_tokens *known)
{
    strbuf_fini(&known->host);
    ssh_hops_free(known->hops, known->hop_count);
}

int ssh_tokens_init(struct ssh_run *run, struct ssh_known_tokens *known,
                    struct strbuf *why)
{
    const struct ssh_config_query *query = run->query;
    const struct ssh_config *config = run->config;
    const struct ssh_tokens host = {.host = query->host};
    int r = 0;

    *known = (struct ssh_known_tokens){.host = STRBUF(LIMIT_SSH_CONFIG_LINE)};
    if (run->final || !run->hostname)
        strbuf_add(&known->host,
                   str_from(run->final ? run->hostname : query->host));
    else
        r = ssh_expand(query, &host, run->hostname, SSH_EXPAND_PERCENT,
                       &known->host, why);
    snprintf(known->port, sizeof(known->port), "%d",
             config->port > 0 ? config->port : SSH_DEFAULT_PORT);
    snprintf(known->uid, sizeof(known->uid), "%u", query->machine->uid);
    if (run->jump && strcmp(run->jump, "none") != 0)
        ssh_hops_read(str_from(run->jump), &known->hops, &known->hop_count);
    known->tokens = (struct ssh_tokens){
        .host = strbuf_cstr(&known->host),
        .original = query->host,
        .port = known->port,
        .remote_user = config->user ? config->user : query->machine->user,
        .local_user = query->machine->user,
        .home = query->machine->home,
        .uid = known->uid,
        .alias = config->host_key_alias ? config->host_key_alias : query->host,
        .local_host = query->machine->host,
        .jump = known->hop_count ? known->hops[known->hop_count - 1].host : "",
    };
    return r;
}

static int include_paths(struct ssh_run *run, const struct strings *paths)
{
    bool active = run->active, never = run->never;
    int r = 0;

    run->depth++;
    run->never = never || !active;
    for (size_t i = 0; r == 0 && i < paths->count; i++) {
        r = run_file(run, paths->items[i], true);
        if (r == -ENOENT)
            r = 0;
        run->active = active; /* whatever block the file ended in */
    }
    run->never = never;
    run->depth--;
    return r;
}

/* The pattern WORD as an absolute path. */
static int include_pattern(struct ssh_run *run, const char *word,
                           struct strbuf *out)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_SSH_CONFIG_LINE);
    AUTO(strbuf_fini) struct strbuf path = STRBUF(LIMIT_SSH_CONFIG_LINE);
    struct ssh_known_tokens known;
    int r = ssh_tokens_init(run, &known, &why);

    if (r == 0)
        r = ssh_expand(run->query, &known.tokens, word,
                       SSH_EXPAND_PERCENT | SSH_EXPAND_DOLLAR, &path, &why);
    if (r == 0 && str_has_prefix(strbuf_str(&path), S("~")) && !run->user) {
        strbuf_add(&why, S("begins with \"~\", which has no meaning in the "
                           "system's file; write the whole path"));
        r = SSH_CONFIG_E_REFUSED;
    }
    if (r == 0 && !str_has_prefix(strbuf_str(&path), S("/")) &&
        !str_has_prefix(strbuf_str(&path), S("~")))
        r = ssh_expand(run->query, NULL,
                       run->user ? "~/.ssh/" : SYSTEM_DIRECTORY "/",
                       SSH_EXPAND_TILDE, out, &why);
    if (r == 0 && path.len)
        r = ssh_expand(run->query, NULL, strbuf_cstr(&path), SSH_EXPAND_TILDE,
                       out, &why);
    ssh_tokens_fini(&known);
    return r ? ssh_run_refuse(run, "Include: \"%.64s\" %.*s", word,
                              STR_FMT(strbuf_str(&why)))
             : 0;
}

int ssh_run_include(struct ssh_run *run, struct ssh_words *words)
{
    const struct ssh_config_reader *reader = run->query->machine->reader;
    const char *word;
    int r = 0;

    if (run->depth == LIMIT_SSH_CONFIG_DEPTH)
        return ssh_run_refuse(run,
                              "Include: more than %d files deep; does a "
                              "file include itself?",
                              LIMIT_SSH_CONFIG_DEPTH);
    while (r == 0 && (word = ssh_words_next(words))) {
        AUTO(strbuf_fini) struct strbuf pattern = STRBUF(LIMIT_SSH_CONFIG_LINE);
        struct strings paths = {0};

        if (*word == '\0')
            return ssh_run_refuse(run, "Include has an empty name; remove it");
        r = include_pattern(run, word, &pattern);
        if (r)
            return r;
        r = reader ? reader->glob(reader->arg, strbuf_cstr(&pattern), &paths)
                   : 0;
        r = r < 0 ? cannot_read(run, strbuf_cstr(&pattern), r)
                  : include_paths(run, &paths);
        strings_fini(&paths);
    }
    return r;
}

/* All files, once. */
int ssh_run_pass(struct ssh_run *run)
{
    const struct ssh_config_query *query = run->query;

    run->bytes = 0;
    run->reads = 0;
    for (size_t i = 0; i < query->file_count; i++) {
        const struct ssh_config_file *file = &query->files[i];
        int r;

        run->active = true;
        run->never = false;
        run->user = file->user;
        r = run_file(run, file->path, file->careful);
        if (r == -ENOENT && file->required)
            return cannot_read(run, file->path, r);
        if (r && r != -ENOENT)
            return r;
    }
    return 0;
}
