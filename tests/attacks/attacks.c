/*
 * Runs the corpus of attacks in memory: every attack has to be refused by the
 * rule it names (or reach the engine without what makes it one), every twin has
 * to pass. README.md says what is in the files.
 *
 *     attacks FILE...
 *     attacks --under PRESET FILE...    the attacks only, and any rule will do
 *     attacks --clients PRESET FILE...  what its clients send, and may not
 */

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "proxy/exchange/request.h"
#include "proxy/http/http_reader.h"
#include "tests/attacks/attack_bytes.h"
#include "tests/support/exchange_driver.h"

#define ROOM (64 * MIB)

/* One connection: what became of the requests on it. */
struct outcome {
    size_t reached;        /* requests that the engine got */
    struct strbuf engine;  /* and their bytes */
    struct strbuf record;  /* the audit */
    struct strbuf replies; /* what the client got */
};

static const char *preset = "compose-tests";
static bool under; /* --under */
static bool clients;

struct test_case {
    const char *file;
    const char *name;
    const json_t *json;
};

static bool wrong(const struct test_case *test, const char *what,
                  const char *more)
{
    fprintf(stderr, "%s: %s: %s%s%s\n", test->file, test->name, what,
            *more ? ": " : "", more);
    return false;
}

/* ---- the engine ---- */

struct engine {
    struct http_reader *reader;
    bool hijack;
};

static void answer(struct exchange_driver *d, struct engine *engine)
{
    const struct http_head *head = http_reader_head(engine->reader);

    engine->hijack = head->upgrade.len > 0;
    driver_send(d, ENGINE,
                engine->hijack
                    ? S("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\n"
                        "Upgrade: tcp\r\n\r\n")
                    : S("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                        "Content-Length: 2\r\n\r\n{}"));
}

/* Read what the engine got, and answer whole requests. */
static bool serve(struct exchange_driver *d, struct engine *engine,
                  struct outcome *out)
{
    struct strbuf *in = &d->sides[ENGINE].out;
    size_t seen = 0;
    bool progress = false;

    while (!engine->hijack) {
        struct str data;
        size_t used;
        enum http_event event = http_reader_next(
            engine->reader, str_from_index(strbuf_str(in), seen), &used, &data);

        seen += used;
        if (event == HTTP_MORE)
            break;
        assert(event != HTTP_ERROR && event != HTTP_HIJACK);
        if (event == HTTP_HEAD)
            out->reached++;
        if (event == HTTP_END) {
            answer(d, engine);
            progress = true;
        }
    }
    strbuf_add(&out->engine, strbuf_str(in));
    strbuf_clear(in);
    return progress;
}

/* There are containers, with a quota from before, and images once they were
 * pulled for a build; nothing else that is asked for exists, and lists are
 * empty. */
static json_t *answer_to(struct str target)
{
    struct str path, query;

    str_cut(target, '?', &path, &query);
    if (str_eq(path, S("/images/create")))
        return json_object();
    if (str_eq(query, S("manifests=0")))
        return json_pack("{s:s}", "Id",
                         "sha256:0123456789abcdef0123456789abcdef"
                         "0123456789abcdef0123456789abcdef");
    if (str_eq(path, S("/containers/json")) || str_eq(path, S("/networks")) ||
        str_eq(path, S("/images/json")))
        return json_array();
    if (str_eq(path, S("/volumes")))
        return json_pack("{s:[]}", "Volumes");
    if (str_has_prefix(path, S("/containers/")) &&
        str_has_suffix(path, S("/json")))
        return json_pack("{s:{s:i}}", "HostConfig", "CpuQuota", 100000);
    return NULL;
}

static void answer_question(struct exchange_driver *d)
{
    size_t index;
    struct str target = str_from(driver_lookup(d, &index)->target);
    AUTO(json_decrefp)
    json_t *answer = answer_to(target);

    driver_answer(d, answer ? 200 : 404, answer);
}

static void play(const struct test_case *test, const json_t *request,
                 struct outcome *out)
{
    AUTO(strbuf_fini) struct strbuf bytes = STRBUF(ROOM);
    json_auto_t *policy = json_pack("{s:s}", "preset", preset);
    json_t *changes = json_object_get(test->json, "policy");
    struct engine engine = {0};
    struct exchange_driver d;
    bool progress = true;
    char *keys;

    if (changes)
        json_object_update(policy, changes);
    keys = json_dumps(policy, 0);
    keys[strlen(keys) - 1] = '\0'; /* the members without their braces */
    driver_init(&d, driver_policy(keys + 1));
    free(keys);
    driver_know_engine(&d);
    attack_compose(&bytes, request);
    driver_send(&d, CLIENT, strbuf_str(&bytes));
    while (progress && !d.closed) {
        progress = connection_wish(d.connection).ask;
        if (progress)
            answer_question(&d);
        if (driver_open_stream(&d)) {
            engine.reader = http_reader_free(engine.reader);
            engine.reader = http_reader_new(HTTP_REQUESTS);
            engine.hijack = false;
            progress = true;
        }
        if (engine.reader)
            progress |= serve(&d, &engine, out);
    }
    if (!d.closed && (connection_wish(d.connection).timer == TIMER_BODY ||
                      connection_wish(d.connection).timer == TIMER_HEAD)) {
        connection_timeout(d.connection);
        driver_settle(&d);
    }
    if (!d.closed)
        driver_client_gone(&d);
    strbuf_add(&out->record, strbuf_str(&d.audit));
    strbuf_add(&out->replies, strbuf_str(&d.sides[CLIENT].out));
    engine.reader = http_reader_free(engine.reader);
    driver_fini(&d);
}

static void outcome_init(struct outcome *out)
{
    *out = (struct outcome){.engine = STRBUF(ROOM),
                            .record = STRBUF(ROOM),
                            .replies = STRBUF(ROOM)};
}

static void outcome_fini(struct outcome *out)
{
    strbuf_fini(&out->engine);
    strbuf_fini(&out->record);
    strbuf_fini(&out->replies);
}

/* ---- what must have happened ---- */

/* The first end of an exchange on record that is, or is not, a refusal. */
static json_t *find_end(const struct outcome *out, bool refused)
{
    struct str rest = strbuf_str(&out->record), line;

    while (rest.len) {
        json_auto_t *record = NULL;
        const char *verdict;

        str_cut(rest, '\n', &line, &rest);
        record = json_loadb(line.ptr, line.len, 0, NULL);
        verdict = json_string_value(json_object_get(record, "verdict"));
        if (strcmp(json_string_value(json_object_get(record, "event")),
                   "end") != 0)
            continue;
        if ((verdict && !strcmp(verdict, "allow")) == !refused)
            return json_incref(record);
    }
    return NULL;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* Is WORD, in any letter case, in TEXT? */
static bool holds(struct str text, struct str word)
{
    for (size_t i = 0; i + word.len <= text.len; i++) {
        if (str_eq_nocase(str_of(text.ptr + i, word.len), word))
            return true;
    }
    return false;
}

static bool is_refused(const struct test_case *test, const struct outcome *out)
{
    json_auto_t *end = find_end(out, true);
    const char *rule = text_of(test->json, "rule");
    const char *field = text_of(test->json, "field");
    json_int_t status =
        json_integer_value(json_object_get(test->json, "status"));

    if (!end)
        return wrong(test, "the attack was not refused", "");
    if (under)
        return true;
    if (strcmp(text_of(end, "rule"), rule) != 0)
        return wrong(test, text_of(end, "rule"), text_of(end, "reason"));
    if (*field && strcmp(text_of(end, "field"), field) != 0)
        return wrong(test, "field", text_of(end, "field"));
    if (status && status != json_integer_value(json_object_get(end, "status")))
        return wrong(test, "another status", text_of(end, "reason"));
    if (strlen(text_of(end, "reason")) < 10)
        return wrong(test, "no reason is given", "");
    return true;
}

/* A preset may leave docker.sock out rather than refuse it. */
static bool is_left_out(const struct test_case *test, const struct outcome *out)
{
    return under &&
           strcmp(text_of(test->json, "rule"), "container.engine_socket") ==
               0 &&
           !holds(strbuf_str(&out->engine), S("docker.sock"));
}

static bool attack_fails(const struct test_case *test)
{
    const json_t *reaches = json_object_get(test->json, "reaches");
    const json_t *never = json_object_get(test->json, "never"), *word;
    struct outcome out;
    bool good = true;
    size_t i;

    outcome_init(&out);
    play(test, json_object_get(test->json, "attack"), &out);
    if (is_left_out(test, &out)) {
        outcome_fini(&out);
        return true;
    }
    if (json_object_get(test->json, "rule"))
        good = is_refused(test, &out);
    if (good && !under &&
        (json_int_t)out.reached != json_integer_value(reaches))
        good = wrong(test, "the engine got",
                     out.engine.len ? strbuf_cstr(&out.engine) : "nothing");
    if (!reaches && out.engine.len)
        good = wrong(test, "the engine got", strbuf_cstr(&out.engine));
    json_array_foreach(never, i, word)
    {
        if (holds(strbuf_str(&out.engine), str_from(json_string_value(word))))
            good = wrong(test, "the engine got", json_string_value(word));
    }
    outcome_fini(&out);
    return good;
}

static bool twin_passes(const struct test_case *test)
{
    struct outcome out;
    bool good = true;
    json_t *refusal;

    outcome_init(&out);
    play(test, json_object_get(test->json, "twin"), &out);
    refusal = find_end(&out, true);
    if (refusal)
        good = wrong(test, "its twin is refused", text_of(refusal, "reason"));
    else if (out.reached == 0)
        good = wrong(test, "its twin did not reach the engine", "");
    json_decref(refusal);
    outcome_fini(&out);
    return good;
}

static bool is_well_made(const struct test_case *test)
{
    static const char *const keys[] = {"name",  "attack", "twin",   "policy",
                                       "rule",  "field",  "status", "reaches",
                                       "never", "unless"};
    const char *key;
    const json_t *value;

    json_object_foreach((json_t *)(uintptr_t)test->json, key, value)
    {
        bool known = false;

        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
            known = known || strcmp(key, keys[i]) == 0;
        if (!known)
            return wrong(test, "unknown key", key);
    }
    if (!test->name || (!clients && !json_object_get(test->json, "twin")) ||
        !json_object_get(test->json, "attack") !=
            (!json_object_get(test->json, "rule") &&
             !json_object_get(test->json, "reaches")))
        return wrong(test, "name, attack, twin, and rule or reaches", "");
    return true;
}

static bool comes_out_right(const struct test_case *test)
{
    /* its own policy may well allow more than the preset */
    if (under && json_object_get(test->json, "policy"))
        return true;
    if (!is_well_made(test))
        return false;
    if (json_object_get(test->json, "attack") && !attack_fails(test))
        return false;
    return under || !json_object_get(test->json, "twin") || twin_passes(test);
}

static size_t run_file(const char *path, size_t *count)
{
    const char *slash = strrchr(path, '/');
    json_error_t error;
    json_auto_t *cases =
        json_load_file(path, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    size_t failed = 0, i;
    json_t *one;

    if (!cases) {
        fprintf(stderr, "%s:%d: %s\n", path, error.line, error.text);
        return 1;
    }
    json_array_foreach(cases, i, one)
    {
        struct test_case test = {
            .file = slash ? slash + 1 : path,
            .name = text_of(one, "name"),
            .json = one,
        };
        failed += !comes_out_right(&test);
    }
    *count += json_array_size(cases);
    return failed;
}

int main(int argc, char **argv)
{
    size_t failed = 0, count = 0;
    int i = 1;

    if (argc > 2 && argv[1][0] == '-') {
        under = strcmp(argv[1], "--under") == 0;
        clients = strcmp(argv[1], "--clients") == 0;
        preset = argv[2];
        i = 3;
    }
    for (; i < argc; i++)
        failed += run_file(argv[i], &count);
    printf("%zu attacks, %zu went wrong\n", count, failed);
    return failed || count == 0;
}
