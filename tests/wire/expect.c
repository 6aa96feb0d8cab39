#include "policy/base/json_write.h"
#include "tests/wire/run.h"

#include <jansson.h>
#include <stdio.h>

bool expect_bytes(struct run *run, const struct step *step, enum side side)
{
    struct str expected = strbuf_str(&step->text);
    struct str got = plain_look(run_plain(run, side));

    if (!str_eq(expected, got)) {
        wrong(run, step, "the %s did not get this",
              side == CLIENT ? "client" : "engine");
        show("expected", expected);
        show("but got ", got);
        return false;
    }
    plain_forget(run_plain(run, side));
    return true;
}

/* METHOD TARGET BODY: what the engine is asked now, by berth itself */
bool expect_question(struct run *run, const struct step *step)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(FILE_MAX);
    const struct lookup *lookup = stage_lookup(&run->stage);

    if (lookup) {
        strbuf_addf(&text, "%s %s", method_name(lookup->method),
                    lookup->target);
        if (lookup->body && strbuf_add_char(&text, ' ') == 0)
            json_write(&text, lookup->body);
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
bool expect_answer(struct run *run, const struct step *step)
{
    struct str text = plain_look(run_plain(run, CLIENT)), line, word, rest;
    bool closes = false, retries = false, json = false;
    struct str status, fragment;
    uint64_t length = 0;

    str_cut(step->rest, ' ', &status, &rest);
    str_cut(rest, ' ', &word, &fragment);
    if (!cut_line(&text, &line) || !str_has_prefix(line, S("HTTP/1.1 ")) ||
        !str_eq(str_head(str_from_index(line, 9), 3), status)) {
        wrong(run, step, "this is not the answer");
        show("but", plain_look(run_plain(run, CLIENT)));
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
              STR_FMT(plain_look(run_plain(run, CLIENT))));
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
    plain_forget(run_plain(run, CLIENT));
    return !run->failed;
}

static bool expect_fate(struct run *run, const struct step *step,
                        enum connection_stream fate)
{
    const struct stage_client *client = run->stage.client;
    bool used = stage_has_stream(&run->stage);

    if (used || client->fate != fate)
        return wrong(run, step, "the stream is %s",
                     used                              ? "in use"
                     : client->fate == STREAM_SPENT    ? "spent"
                     : client->fate == STREAM_REUSABLE ? "reusable"
                                                       : "not there");
    return true;
}

bool expect(struct run *run, const struct step *step)
{
    const struct stage *stage = &run->stage;
    const struct stage_client *client = stage->client;
    const struct stage_side *sides = client->sides;
    const struct connection_wish wish = stage_wish(stage);
    const bool nothing[] = {plain_look(run_plain(run, CLIENT)).len == 0,
                            plain_look(run_plain(run, ENGINE)).len == 0};
    const struct {
        struct str what;
        bool holds;
    } facts[] = {
        {STR("close"),          client->closed            },
        {STR("open"),           !client->closed           },
        {STR("idle"),           stage_is_idle(stage)      },
        {STR("stream in use"),  stage_has_stream(stage)   },
        {STR("stream wanted"),  stage_wants_stream(stage) },
        {STR("stream none"),    wish.stream == STREAM_NONE},
        {STR("shut client"),    sides[CLIENT].shut        },
        {STR("shut engine"),    sides[ENGINE].shut        },
        {STR("no shut client"), !sides[CLIENT].shut       },
        {STR("no shut engine"), !sides[ENGINE].shut       },
        {STR("read client"),    wish.read[CLIENT]         },
        {STR("no read client"), !wish.read[CLIENT]        },
        {STR("read engine"),    wish.read[ENGINE]         },
        {STR("no read engine"), !wish.read[ENGINE]        },
        {STR("watch"),          wish.watch                },
        {STR("no watch"),       !wish.watch               },
        {STR("client nothing"), nothing[CLIENT]           },
        {STR("engine nothing"), nothing[ENGINE]           },
    };
    struct str word, timer;

    if (str_eq(step->rest, S("stream reusable")))
        return expect_fate(run, step, STREAM_REUSABLE);
    if (str_eq(step->rest, S("stream spent")))
        return expect_fate(run, step, STREAM_SPENT);
    str_cut(step->rest, ' ', &word, &timer);
    if (str_eq(word, S("engine")) && timer.len == 1)
        return timer.ptr[0] - '0' == (int)stage_engine_of(stage) ||
               wrong(run, step, "it is engine %u", stage_engine_of(stage));
    if (str_eq(word, S("timer")))
        return str_eq(timer, str_from(timer_name(wish.timer))) ||
               wrong(run, step, "the timer is \"%s\"", timer_name(wish.timer));
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
bool expect_audit(struct run *run, const struct step *step)
{
    struct str all = strbuf_str(&run->stage.audit), line, event, rest;
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
