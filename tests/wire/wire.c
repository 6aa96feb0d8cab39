/*
 * Runs transcripts (README.md) through sessions (stage.h): whole; byte by byte,
 * with every output taken byte by byte, too; and with the bytes of client and
 * engine cut at every position. All runs must fulfil the same expectations
 * and leave the same record.
 */

#include <assert.h>
#include <dirent.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "proxy/base/log.h"
#include "tests/support/rounds.h"
#include "tests/wire/run.h"

/* ---- what holds of every transcript ---- */

/* Each exchange: a decision or none, calls or none, and then one end. */
static bool record_is_whole(struct run *run, const struct step *last)
{
    struct str rest = strbuf_str(&run->stage.audit), line;
    json_t *ended = json_object(), *decided = json_object();

    while (str_cut(rest, '\n', &line, &rest)) {
        json_t *record = json_loadb(line.ptr, line.len, 0, NULL);
        const char *id = json_string_value(json_object_get(record, "id"));
        const char *event = json_string_value(json_object_get(record, "event"));
        bool is_end, is_call;

        assert(id && event);
        is_end = strcmp(event, "end") == 0;
        is_call = strcmp(event, "call") == 0;
        if ((!is_call && json_object_get(is_end ? ended : decided, id)) ||
            json_object_get(ended, id))
            wrong(run, last, "%s is once too often on record: %.*s", id,
                  STR_FMT(line));
        json_object_set_new(is_end ? ended : decided, id, json_true());
        json_decref(record);
    }
    json_decref(ended);
    json_decref(decided);
    return !run->failed;
}

static bool nothing_is_left(struct run *run, const struct step *last)
{
    static const char *const names[] = {"client", "engine"};

    for (unsigned i = 0; i < 2 * STAGE_CLIENTS; i++) {
        enum side side = i % 2 ? ENGINE : CLIENT;
        struct plain *plain = &run->plain[i / 2][side];
        struct str left = plain_look(plain);

        if (!left.len && !plain->message.len)
            continue;
        wrong(run, last, "the %s got more than was expected", names[side]);
        show("it got", left);
        return false;
    }
    for (size_t i = 0; i < run->script->count; i++) {
        const struct step *step = &run->script->steps[i];
        struct str all = strbuf_str(&run->stage.audit);

        if (step->word == WORD_NEVER && step->rest.len &&
            memmem(all.ptr, all.len, step->rest.ptr, step->rest.len))
            return wrong(run, step, "it is in the record");
    }
    return true;
}

/* One run; *RECORD becomes what was put on record, at the first time. */
static bool run_once(const char *path, const struct script *script,
                     struct policy *policy, enum cutting cutting, size_t cut,
                     struct strbuf *record)
{
    static const struct step none;
    const struct step *last = &none;
    struct run run = {
        .path = path, .script = script, .cutting = cutting, .cut = cut};

    stage_init(&run.stage, policy_ref(policy));
    for (unsigned i = 0; i < STAGE_CLIENTS; i++) {
        plain_init(&run.plain[i][CLIENT], HTTP_RESPONSES,
                   script->methods[i].items, script->methods[i].count);
        plain_init(&run.plain[i][ENGINE], HTTP_REQUESTS, NULL, 0);
    }
    for (size_t i = 0; i < script->count && !run.failed; i++) {
        last = &script->steps[i];
        /* bulk is no matter of single bytes */
        run.stage.piece = cutting != BYTES ? SIZE_MAX
                          : last->bulk     ? BULK_PIECE
                                           : 1;
        if (run_step(&run, last))
            take_output(&run, last);
    }
    if (!run.failed && record_is_whole(&run, last))
        nothing_is_left(&run, last);
    if (!run.failed && cutting == WHOLE)
        strbuf_add(record, strbuf_str(&run.stage.audit));
    else if (!run.failed &&
             !str_eq(strbuf_str(record), strbuf_str(&run.stage.audit)))
        wrong(&run, last, "another record than when run whole: %.*sbut %.*s",
              STR_FMT(strbuf_str(record)),
              STR_FMT(strbuf_str(&run.stage.audit)));
    for (unsigned i = 0; i < STAGE_CLIENTS; i++) {
        plain_fini(&run.plain[i][CLIENT]);
        plain_fini(&run.plain[i][ENGINE]);
    }
    stage_fini(&run.stage);
    return !run.failed;
}

static bool run_file(const char *path, struct str text, size_t *runs)
{
    AUTO(strbuf_fini) struct strbuf record = STRBUF(64 * MIB);
    struct policy *policy = NULL;
    struct script script;
    size_t step;
    bool ok = script_read(&script, path, text);

    if (ok)
        policy = stage_policy(script.keys.len ? strbuf_cstr(&script.keys) : "",
                              "/engine");
    ok = ok && run_once(path, &script, policy, WHOLE, 0, &record) &&
         run_once(path, &script, policy, BYTES, 0, &record);
    /* much to send makes a run long: then not every cut has one */
    step = (script.bulk > BULK_PIECE ? 7 : 1) * one_round_in();
    for (size_t cut = 1; ok && cut < script.cuts; cut += step, ++*runs)
        ok = run_once(path, &script, policy, AT, cut, &record);
    policy_unref(policy);
    script_fini(&script);
    return ok;
}

static bool run_path(const char *path, size_t *runs)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(FILE_MAX);
    FILE *file = fopen(path, "rb");
    int c;

    if (!file) {
        perror(path);
        return false;
    }
    while ((c = getc(file)) != EOF)
        strbuf_add_char(&text, (char)c);
    fclose(file);
    return run_file(path, strbuf_str(&text), runs);
}

static int is_transcript(const struct dirent *entry)
{
    return str_has_suffix(str_from(entry->d_name), S(".wire"));
}

static int run_directory(const char *directory)
{
    struct dirent **entries;
    int count = scandir(directory, &entries, is_transcript, alphasort);
    size_t runs = 0;
    int failed = 0;

    for (int i = 0; i < count; i++) {
        char path[4096];

        snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
        failed += !run_path(path, &runs);
        free(entries[i]);
    }
    if (count > 0)
        free(entries);
    printf("%d transcripts, %d failed, %zu runs with a cut\n", count, failed,
           runs);
    return count > 0 && failed == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    size_t runs = 0;
    bool ok = true;

    log_set_level(LOG_LEVEL_ERROR);
    signal(SIGPIPE, SIG_IGN); /* as the server does */
    if (argc == 3 && strcmp(argv[1], "--all") == 0)
        return run_directory(argv[2]);
    if (argc < 2) {
        fprintf(stderr, "usage: %s FILE... | --all DIRECTORY\n", argv[0]);
        return 2;
    }
    for (int i = 1; i < argc; i++)
        ok &= run_path(argv[i], &runs);
    return ok ? 0 : 1;
}
