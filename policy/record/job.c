#include "policy/record/job.h"

#include <stdlib.h>
#include <string.h>

#include "policy/base/limits.h"

/* ---- what a body says ---- */

/*
 * "https://user:password@host/": a runner's clone URL has its token there, and
 * a link one in its query. A password may itself have a '/' in it, so an '@'
 * anywhere in the word counts, and so does a '?'.
 */
static bool has_credentials(struct str text)
{
    const char *scheme;

    while ((scheme = memmem(text.ptr, text.len, "://", 3))) {
        text = str_from_index(text, (size_t)(scheme - text.ptr) + 3);
        for (size_t i = 0; i < text.len && !strchr(" \t\r\n", text.ptr[i]);
             i++) {
            if (text.ptr[i] == '@' || text.ptr[i] == '?')
                return true;
        }
    }
    return false;
}

/* As much of TEXT as fits, without a part of a character at the end. */
static struct str bounded(struct str text)
{
    struct str head = str_head(text, LIMIT_JOB_VALUE);

    for (int i = 0; i < 3 && !str_is_utf8(head); i++)
        head.len--;
    return head;
}

/* Bytes of JOB's names and values. */
static size_t size_of(json_t *job)
{
    const char *name;
    json_t *value;
    size_t size = 0;

    json_object_foreach(job, name, value) size +=
        strlen(name) + json_string_length(value);
    return size;
}

static void put(json_t **job, struct str name, struct str value)
{
    struct str shown = has_credentials(value) ? S("(hidden)") : bounded(value);

    if (value.len == 0 ||
        size_of(*job) + name.len + shown.len > LIMIT_JOB_BYTES)
        return;
    if (!*job)
        *job = json_object();
    json_object_setn_new(*job, name.ptr, name.len,
                         json_stringn(shown.ptr, shown.len));
}

static void put_label(json_t **job, struct str name, const json_t *body)
{
    const json_t *label =
        json_object_getn(json_object_get(body, "Labels"), name.ptr, name.len);

    if (json_is_string(label))
        put(job, name,
            str_of(json_string_value(label), json_string_length(label)));
}

/* The last one holds, as for the engine. */
static void put_variable(json_t **job, struct str name, const json_t *body)
{
    struct str value = S(""), key, rest;
    const json_t *line;
    size_t i;

    json_array_foreach(json_object_get(body, "Env"), i, line)
    {
        str_cut(str_of(json_string_value(line), json_string_length(line)), '=',
                &key, &rest);
        if (str_eq(key, name))
            value = rest;
    }
    put(job, name, value);
}

json_t *job_find(const struct strings *words, enum operation operation,
                 const json_t *body)
{
    json_t *job = NULL;

    if (operation != OP_CONTAINER_CREATE && operation != OP_CONTAINER_EXEC &&
        operation != OP_NETWORK_CREATE && operation != OP_VOLUME_CREATE)
        return NULL;
    for (size_t i = 0; i < words->count; i++) {
        struct str source, name;

        str_cut(str_from(words->items[i]), ':', &source, &name);
        if (str_eq(source, S("label")))
            put_label(&job, name, body);
        else
            put_variable(&job, name, body);
    }
    return job;
}

/* ---- whose things are ---- */

/* Names to jobs, in the order in which they were put. */
struct job_book {
    json_t *jobs;
};

enum { KEY_MAX = 300 }; /* no name or ID of the engine's is longer */

static int key_of(struct strbuf *key, enum ref_kind kind, struct str ref)
{
    return strbuf_addf(key, "%d:%.*s", (int)kind, STR_FMT(ref));
}

struct job_book *job_book_new(void)
{
    struct job_book *book = xcalloc(1, sizeof(*book));

    book->jobs = json_object();
    return book;
}

struct job_book *job_book_free(struct job_book *book)
{
    if (book)
        json_decref(book->jobs);
    free(book);
    return NULL;
}

void job_book_put(struct job_book *book, enum ref_kind kind, struct str ref,
                  json_t *job)
{
    AUTO(strbuf_fini) struct strbuf key = STRBUF(KEY_MAX);

    if (ref.len == 0 || key_of(&key, kind, ref) < 0)
        return;
    json_object_deln(book->jobs, key.ptr, key.len);
    if (!job)
        return;
    if (json_object_size(book->jobs) == LIMIT_JOBS)
        json_object_del(book->jobs,
                        json_object_iter_key(json_object_iter(book->jobs)));
    json_object_setn(book->jobs, key.ptr, key.len, job);
}

json_t *job_book_find(const struct job_book *book, enum ref_kind kind,
                      struct str ref)
{
    AUTO(strbuf_fini) struct strbuf key = STRBUF(KEY_MAX);

    return key_of(&key, kind, ref) < 0
               ? NULL
               : json_object_getn(book->jobs, key.ptr, key.len);
}
