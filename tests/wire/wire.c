/*
 * Runs transcripts (README.md) against an exchange: whole; byte by byte, with
 * every output taken byte by byte, too; and with the bytes of client and
 * engine cut at every position. All runs must fulfil the same expectations
 * and leave the same record.
 */

#include <assert.h>
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "proxy/log.h"
#include "proxy/request.h"
#include "tests/exchange_driver.h"
#include "tests/wire/plain.h"
#include "tests/wire/script.h"

#define FILE_MAX   (4 * MIB)
#define BULK_PIECE 16381

enum cutting {
    WHOLE,
    BYTES,
    AT,
};

struct run {
    const char *path;
    const struct script *script;
    enum cutting cutting;
    size_t cut; /* AT: before that byte */
    size_t at;  /* bytes sent up to now, but for bulk */
    struct exchange_driver driver;
    struct plain plain[2];
    size_t audited; /* bytes of the record that were expected */
    bool failed;
};

__attribute__((format(printf, 3, 4))) static bool
wrong(struct run *run, const struct step *step, const char *format, ...)
{
    va_list args;

    run->failed = true;
    fprintf(stderr, "%s:%u: ", run->path, step->line);
    if (run->cutting == BYTES)
        fprintf(stderr, "(byte by byte) ");
    else if (run->cutting == AT)
        fprintf(stderr, "(cut at %zu) ", run->cut);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return false;
}

/* As it would stand in a transcript. */
static void show(const char *title, struct str bytes)
{
    fprintf(stderr, "  %s ", title);
    for (size_t i = 0; i < bytes.len && i < 4000; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];

        if (c == '\r')
            fputs("\\r", stderr);
        else if (c == '\n')
            fprintf(stderr, "\\n%s", i + 1 < bytes.len ? "\n    " : "");
        else if (c == '\\')
            fputs("\\\\", stderr);
        else if (c < ' ' || c >= 0x7f)
            fprintf(stderr, "\\x%02x", c);
        else
            fputc(c, stderr);
    }
    fprintf(stderr, "%s\n", bytes.len > 4000 ? "..." : "");
}

/* ---- what happens ---- */

static bool take_output(struct run *run, const struct step *step)
{
    for (int side = CLIENT; side <= ENGINE; side++) {
        if (!plain_take(&run->plain[side], &run->driver.sides[side].out))
            return wrong(run, step, "what the %s was sent is not valid HTTP",
                         side == CLIENT ? "client" : "engine");
    }
    return true;
}

static void send_bytes(struct run *run, const struct step *step, enum side side)
{
    struct str rest = strbuf_str(&step->text);

    while (rest.len) {
        size_t len = rest.len;

        if (step->bulk)
            len = BULK_PIECE;
        else if (run->cutting == BYTES)
            len = 1;
        else if (run->cutting == AT && run->at < run->cut &&
                 run->cut - run->at < len)
            len = run->cut - run->at;
        driver_send(&run->driver, side, str_head(rest, len));
        rest = str_from_index(rest, len);
        run->at += step->bulk ? 0 : len;
    }
}

static bool reconnect(struct run *run, const struct step *step)
{
    const struct script *script = run->script;

    if (!run->driver.closed)
        return wrong(run, step, "the connection is not closed");
    if (plain_look(&run->plain[CLIENT]).len)
        return wrong(run, step, "the client got more than was expected");
    driver_reconnect(&run->driver);
    plain_fini(&run->plain[CLIENT]);
    plain_init(&run->plain[CLIENT], HTTP_RESPONSES,
               script->methods + step->requests,
               script->method_count - step->requests);
    return true;
}

static bool open_stream(struct run *run, const struct step *step)
{
    if (!driver_wants_stream(&run->driver))
        return wrong(run, step, "no stream is wanted");
    plain_fini(&run->plain[ENGINE]);
    plain_init(&run->plain[ENGINE], HTTP_REQUESTS, NULL, 0);
    driver_open_stream(&run->driver);
    return true;
}

/* "pristine WHY", "WHY" or nothing */
static bool fail_stream(struct run *run, const struct step *step)
{
    static const struct str pristine = STR("pristine");
    struct exchange_driver *d = &run->driver;
    bool is_pristine = str_has_prefix(step->rest, pristine);
    struct str why = is_pristine
                         ? str_trim(str_from_index(step->rest, pristine.len))
                         : step->rest;
    char *text = why.len ? xstr_dup(why) : NULL;
    bool there =
        d->has_stream || driver_wants_stream(d) || exchange_wish(d->ex).ask;

    driver_fail_stream(d, text, is_pristine);
    d->why = NULL;
    free(text);
    return there || wrong(run, step, "there is no stream");
}

/* STATUS JSON: what the engine says to the question */
static bool answer_question(struct run *run, const struct step *step)
{
    struct str status, body;
    uint64_t number;
    json_t *reply;

    str_cut(step->rest, ' ', &status, &body);
    if (str_to_u64(status, &number))
        return wrong(run, step, "a status is a number");
    reply = json_loadb(body.ptr, body.len, 0, NULL);
    if (!driver_answer(&run->driver, (int)number, reply))
        wrong(run, step, "nothing was asked");
    json_decref(reply);
    return !run->failed;
}

static const char *const timers[] = {
    [TIMER_NONE] = "none",   [TIMER_HEAD] = "head", [TIMER_IDLE] = "idle",
    [TIMER_BODY] = "body",   [TIMER_LINK] = "link", [TIMER_DRAIN] = "drain",
    [TIMER_FLUSH] = "flush",
};

static bool time_out(struct run *run, const struct step *step)
{
    const char *timer = timers[exchange_wish(run->driver.ex).timer];

    if (!str_eq(step->rest, str_from(timer)))
        return wrong(run, step, "the timer is \"%s\"", timer);
    exchange_timeout(run->driver.ex);
    driver_settle(&run->driver);
    return true;
}

static bool set_room(struct run *run, const struct step *step, enum side side)
{
    uint64_t room;

    if (str_eq(step->rest, S("all")))
        room = SIZE_MAX;
    else if (str_to_u64(step->rest, &room))
        return wrong(run, step, "room is a number of bytes, or \"all\"");
    run->driver.sides[side].room = room;
    driver_settle(&run->driver);
    return true;
}

/* ---- what must have happened ---- */

static bool expect_bytes(struct run *run, const struct step *step,
                         enum side side)
{
    struct str expected = strbuf_str(&step->text);
    struct str got = plain_look(&run->plain[side]);

    if (!str_eq(expected, got)) {
        wrong(run, step, "the %s did not get this",
              side == CLIENT ? "client" : "engine");
        show("expected", expected);
        show("but got ", got);
        return false;
    }
    plain_forget(&run->plain[side]);
    return true;
}

/* METHOD TARGET BODY: what the engine is asked now, by berth itself */
static bool expect_question(struct run *run, const struct step *step)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(FILE_MAX);
    const struct exchange *ex = run->driver.ex;

    if (exchange_wish(ex).ask) {
        const struct question *question = exchange_question(ex);

        strbuf_addf(&text, "%s %.*s", method_name(question->method),
                    STR_FMT(strbuf_str(&question->target)));
        if (question->body.len)
            strbuf_addf(&text, " %.*s", STR_FMT(strbuf_str(&question->body)));
    } else {
        strbuf_addf(&text, "nothing");
    }
    return str_eq(strbuf_str(&text), step->rest) ||
           wrong(run, step, "it asks %.*s", STR_FMT(strbuf_str(&text)));
}

/* One line of a head, up to its CRLF. */
static bool cut_line(struct str *text, struct str *line)
{
    bool more = str_cut(*text, '\n', line, text);

    if (line->len)
        line->len--;
    return more;
}

/* STATUS keep|close [retry] (nothing | FRAGMENT): berth's own answer */
static bool expect_answer(struct run *run, const struct step *step)
{
    struct str text = plain_look(&run->plain[CLIENT]), line, word, rest;
    bool closes = false, retries = false, json = false;
    struct str status, fragment;
    uint64_t length = 0;

    str_cut(step->rest, ' ', &status, &rest);
    str_cut(rest, ' ', &word, &fragment);
    if (!cut_line(&text, &line) || !str_has_prefix(line, S("HTTP/1.1 ")) ||
        !str_eq(str_head(str_from_index(line, 9), 3), status)) {
        wrong(run, step, "this is not the answer");
        show("but", plain_look(&run->plain[CLIENT]));
        return false;
    }
    while (cut_line(&text, &line) && line.len) {
        static const struct str length_is = STR("Content-Length: ");

        closes |= str_eq(line, S("Connection: close"));
        retries |= str_has_prefix(line, S("Retry-After: "));
        json |= str_eq(line, S("Content-Type: application/json"));
        if (str_has_prefix(line, length_is))
            str_to_u64(str_from_index(line, length_is.len), &length);
    }
    if (str_has_prefix(fragment, S("retry"))) {
        if (!retries)
            wrong(run, step, "it lacks Retry-After");
        fragment = str_trim(str_from_index(fragment, 5));
    } else if (retries) {
        wrong(run, step, "it has Retry-After");
    }
    if (!json || length == 0 || closes != str_eq(word, S("close")))
        wrong(run, step, "its head is not right: %.*s",
              STR_FMT(plain_look(&run->plain[CLIENT])));
    if (str_eq(fragment, S("nothing"))) {
        if (text.len)
            wrong(run, step, "it has a body");
    } else {
        json_t *body = json_loadb(text.ptr, text.len, 0, NULL);
        const char *message =
            json_string_value(json_object_get(body, "message"));

        if (text.len != length || !message ||
            strncmp(message, "berth: ", 7) != 0 ||
            !memmem(message, strlen(message), fragment.ptr, fragment.len))
            wrong(run, step, "its body is \"%.*s\"", STR_FMT(text));
        json_decref(body);
    }
    plain_forget(&run->plain[CLIENT]);
    return !run->failed;
}

static bool expect_fate(struct run *run, const struct step *step,
                        enum exchange_stream fate)
{
    struct exchange_driver *d = &run->driver;

    if (d->has_stream || d->fate != fate)
        return wrong(run, step, "the stream is %s",
                     d->has_stream                ? "in use"
                     : d->fate == STREAM_SPENT    ? "spent"
                     : d->fate == STREAM_REUSABLE ? "reusable"
                                                  : "not there");
    return true;
}

static bool expect(struct run *run, const struct step *step)
{
    struct exchange_driver *d = &run->driver;
    const struct exchange_wish wish = exchange_wish(d->ex);
    const struct {
        struct str what;
        bool holds;
    } facts[] = {
        {STR("close"),          d->closed                               },
        {STR("open"),           !d->closed                              },
        {STR("idle"),           !d->closed && exchange_is_idle(d->ex)   },
        {STR("stream wanted"),  driver_wants_stream(d)                  },
        {STR("stream none"),    wish.stream == STREAM_NONE              },
        {STR("shut client"),    d->sides[CLIENT].shut                   },
        {STR("shut engine"),    d->sides[ENGINE].shut                   },
        {STR("no shut client"), !d->sides[CLIENT].shut                  },
        {STR("no shut engine"), !d->sides[ENGINE].shut                  },
        {STR("read client"),    wish.read[CLIENT]                       },
        {STR("no read client"), !wish.read[CLIENT]                      },
        {STR("read engine"),    wish.read[ENGINE]                       },
        {STR("no read engine"), !wish.read[ENGINE]                      },
        {STR("watch"),          wish.watch                              },
        {STR("no watch"),       !wish.watch                             },
        {STR("client nothing"), plain_look(&run->plain[CLIENT]).len == 0},
        {STR("engine nothing"), plain_look(&run->plain[ENGINE]).len == 0},
    };
    struct str word, timer;

    if (str_eq(step->rest, S("stream reusable")))
        return expect_fate(run, step, STREAM_REUSABLE);
    if (str_eq(step->rest, S("stream spent")))
        return expect_fate(run, step, STREAM_SPENT);
    str_cut(step->rest, ' ', &word, &timer);
    if (str_eq(word, S("timer")))
        return str_eq(timer, str_from(timers[wish.timer])) ||
               wrong(run, step, "the timer is \"%s\"", timers[wish.timer]);
    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
        if (str_eq(step->rest, facts[i].what))
            return facts[i].holds || wrong(run, step, "it is not so");
    }
    return wrong(run, step, "this expectation is not known");
}

/* Does RECORD have "a.b=VALUE", or not have "!a.b"? */
static bool record_has(const json_t *record, struct str claim)
{
    struct str path, expected, key;
    bool absent = str_has_prefix(claim, S("!")), same;
    char *text;

    str_cut(str_from_index(claim, absent), '=', &path, &expected);
    while (record && path.len) {
        char *name;

        str_cut(path, '.', &key, &path);
        name = xstr_dup(key);
        record = json_object_get(record, name);
        free(name);
    }
    if (!record || absent)
        return absent && !record;
    text = json_is_string(record)
               ? xstrdup(json_string_value(record))
               : json_dumps(record, JSON_COMPACT | JSON_ENCODE_ANY);
    same = str_eq(str_from(text), expected);
    free(text);
    return same;
}

/* The first of the words in REST; key="a b" is one, without the quotes. */
static void cut_claim(struct str *rest, struct strbuf *claim)
{
    struct str name, value;
    ssize_t at = str_find(*rest, '=');

    if (at > 0 &&
        str_has_prefix(str_from_index(*rest, (size_t)at + 1), S("\"")) &&
        str_find(str_head(*rest, (size_t)at), ' ') < 0) {
        name = str_head(*rest, (size_t)at + 1);
        str_cut(str_from_index(*rest, (size_t)at + 2), '"', &value, rest);
        strbuf_add(claim, name);
        strbuf_add(claim, value);
        *rest = str_trim(*rest);
    } else {
        str_cut(*rest, ' ', &value, rest);
        strbuf_add(claim, value);
    }
}

/* EVENT CLAIM...: the next record */
static bool expect_audit(struct run *run, const struct step *step)
{
    struct str all = strbuf_str(&run->driver.audit), line, event, rest;
    struct str left = str_from_index(all, run->audited);
    bool there = str_cut(left, '\n', &line, &left);
    json_t *record = json_loadb(line.ptr, line.len, 0, NULL);

    run->audited += line.len + there;
    str_cut(step->rest, ' ', &event, &rest);
    if (!there || !str_eq(event, str_from(json_string_value(
                                     json_object_get(record, "event")))))
        wrong(run, step, "the next record is %s%.*s", there ? "" : "missing",
              STR_FMT(line));
    while (rest.len && !run->failed) {
        AUTO(strbuf_fini) struct strbuf claim = STRBUF(FILE_MAX);

        cut_claim(&rest, &claim);
        if (!record_has(record, strbuf_str(&claim)))
            wrong(run, step, "%.*s: not in %.*s", STR_FMT(strbuf_str(&claim)),
                  STR_FMT(line));
    }
    json_decref(record);
    return !run->failed;
}

static bool do_step(struct run *run, const struct step *step)
{
    struct exchange_driver *d = &run->driver;

    switch (step->word) {
    case WORD_ENGINE_KNOWN:
        driver_know_engine(d);
        return true;
    case WORD_BUSY:
        d->host.busy = true;
        return true;
    case WORD_CLIENT_SENDS:
        send_bytes(run, step, CLIENT);
        return true;
    case WORD_ENGINE_SENDS:
        if (!d->has_stream)
            return wrong(run, step, "there is no stream");
        send_bytes(run, step, ENGINE);
        return true;
    case WORD_CLIENT_EOF:
        driver_eof(d, CLIENT);
        return true;
    case WORD_ENGINE_EOF:
        driver_eof(d, ENGINE);
        return true;
    case WORD_CLIENT_GONE:
        driver_client_gone(d);
        return true;
    case WORD_RECONNECT:
        return reconnect(run, step);
    case WORD_CLIENT_ROOM:
        return set_room(run, step, CLIENT);
    case WORD_ENGINE_ROOM:
        return set_room(run, step, ENGINE);
    case WORD_ANSWERED:
        return answer_question(run, step);
    case WORD_STREAM_OPEN:
        return open_stream(run, step);
    case WORD_STREAM_FAILS:
        return fail_stream(run, step);
    case WORD_TIMEOUT:
        return time_out(run, step);
    case WORD_SHUTDOWN:
        exchange_shutdown(d->ex, str_eq(step->rest, S("now")));
        driver_settle(d);
        return true;
    case WORD_AUDIT_FAILS:
    case WORD_AUDIT_WORKS:
        d->audit_fails = step->word == WORD_AUDIT_FAILS;
        return true;
    case WORD_CLIENT_GETS:
        return expect_bytes(run, step, CLIENT);
    case WORD_ENGINE_GETS:
        return expect_bytes(run, step, ENGINE);
    case WORD_ASKS:
        return expect_question(run, step);
    case WORD_ANSWER:
        return expect_answer(run, step);
    case WORD_EXPECT:
        return expect(run, step);
    case WORD_AUDIT:
        return expect_audit(run, step);
    case WORD_NEVER:
    case WORD_ALLOW:
    case WORD_DENY:
    case WORD_AUDIT_REQUIRED:
    case WORD_REPORT_ONLY:
    case WORD_POLICY:
        break;
    }
    return true;
}

/* ---- what holds of every transcript ---- */

/* Each exchange: a decision or none, and then one end. */
static bool record_is_whole(struct run *run, const struct step *last)
{
    struct str rest = strbuf_str(&run->driver.audit), line;
    json_t *ended = json_object(), *decided = json_object();

    while (str_cut(rest, '\n', &line, &rest)) {
        json_t *record = json_loadb(line.ptr, line.len, 0, NULL);
        const char *id = json_string_value(json_object_get(record, "id"));
        const char *event = json_string_value(json_object_get(record, "event"));
        bool is_end;

        assert(id && event);
        is_end = strcmp(event, "end") == 0;
        if (json_object_get(is_end ? ended : decided, id) ||
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

    for (int side = CLIENT; side <= ENGINE; side++) {
        struct str left = plain_look(&run->plain[side]);

        if (!left.len && !run->plain[side].message.len)
            continue;
        wrong(run, last, "the %s got more than was expected", names[side]);
        show("it got", left);
        return false;
    }
    for (size_t i = 0; i < run->script->count; i++) {
        const struct step *step = &run->script->steps[i];
        struct str all = strbuf_str(&run->driver.audit);

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

    driver_init(&run.driver, policy_ref(policy));
    plain_init(&run.plain[CLIENT], HTTP_RESPONSES, script->methods,
               script->method_count);
    plain_init(&run.plain[ENGINE], HTTP_REQUESTS, NULL, 0);
    for (size_t i = 0; i < script->count && !run.failed; i++) {
        last = &script->steps[i];
        /* bulk is no matter of single bytes */
        run.driver.piece = cutting != BYTES ? SIZE_MAX
                           : last->bulk     ? BULK_PIECE
                                            : 1;
        if (do_step(&run, last))
            take_output(&run, last);
    }
    if (!run.failed && record_is_whole(&run, last))
        nothing_is_left(&run, last);
    if (!run.failed && cutting == WHOLE)
        strbuf_add(record, strbuf_str(&run.driver.audit));
    else if (!run.failed &&
             !str_eq(strbuf_str(record), strbuf_str(&run.driver.audit)))
        wrong(&run, last, "another record than when run whole: %.*sbut %.*s",
              STR_FMT(strbuf_str(record)),
              STR_FMT(strbuf_str(&run.driver.audit)));
    plain_fini(&run.plain[CLIENT]);
    plain_fini(&run.plain[ENGINE]);
    driver_fini(&run.driver);
    return !run.failed;
}

static bool run_file(const char *path, struct str text, size_t *runs)
{
    AUTO(strbuf_fini) struct strbuf record = STRBUF(64 * MIB);
    struct policy *policy = NULL;
    struct script script;
    bool ok = script_read(&script, path, text);

    if (ok)
        policy = driver_policy(
            strbuf_str(&script.keys).len ? strbuf_cstr(&script.keys) : "");
    ok = ok && run_once(path, &script, policy, WHOLE, 0, &record) &&
         run_once(path, &script, policy, BYTES, 0, &record);
    /* much to send makes a run long: then not every cut has one */
    for (size_t cut = 1;
         ok && cut<script.cuts; cut += script.bulk> BULK_PIECE ? 7 : 1, ++*runs)
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
