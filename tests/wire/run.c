#include "tests/wire/run.h"

#include <stdio.h>
#include <stdlib.h>

bool wrong(struct run *run, const struct step *step, const char *format, ...)
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

void show(const char *title, struct str bytes)
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

bool take_output(struct run *run, const struct step *step)
{
    for (unsigned i = 0; i < STAGE_CLIENTS; i++) {
        struct stage_client *client = &run->stage.clients[i];

        for (int side = CLIENT; side <= ENGINE; side++) {
            if (!plain_take(&run->plain[i][side], &client->sides[side].out))
                return wrong(run, step,
                             "what the %s was sent is not valid HTTP",
                             side == CLIENT ? "client" : "engine");
        }
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
        stage_send(&run->stage, side, str_head(rest, len));
        rest = str_from_index(rest, len);
        run->at += step->bulk ? 0 : len;
    }
}

/* Client INDEX, whose connection begins, has sent so many REQUESTS before. */
static void expect_replies(struct run *run, unsigned index, size_t requests)
{
    const struct methods *methods = &run->script->methods[index];
    struct plain *plain = &run->plain[index][CLIENT];

    plain_fini(plain);
    plain_init(plain, HTTP_RESPONSES, methods->items + requests,
               methods->count - requests);
}

static bool reconnect(struct run *run, const struct step *step)
{
    if (!run->stage.client->closed)
        return wrong(run, step, "the connection is not closed");
    if (plain_look(run_plain(run, CLIENT)).len)
        return wrong(run, step, "the client got more than was expected");
    stage_reconnect(&run->stage);
    expect_replies(run, run->client, step->requests[run->client]);
    return true;
}

static bool act_as(struct run *run, unsigned index)
{
    run->client = index;
    stage_act_as(&run->stage, index + 1);
    return true;
}

/* KEYS of the policy, or nothing: all but the engine stays as it was. */
static bool reload(struct run *run, const struct step *step)
{
    AUTO(strbuf_fini) struct strbuf keys = STRBUF(LIMIT_POLICY);
    char socket[32];

    strbuf_add(&keys,
               step->rest.len ? step->rest : strbuf_str(&run->script->keys));
    snprintf(socket, sizeof(socket), "/engine-%u", ++run->reloads);
    stage_reload(&run->stage,
                 stage_policy(keys.len ? strbuf_cstr(&keys) : "", socket));
    return true;
}

static bool open_stream(struct run *run, const struct step *step)
{
    if (!stage_wants_stream(&run->stage))
        return wrong(run, step, "no stream is wanted");
    plain_fini(run_plain(run, ENGINE));
    plain_init(run_plain(run, ENGINE), HTTP_REQUESTS, NULL, 0);
    stage_open_stream(&run->stage);
    return true;
}

/* "pristine WHY", "WHY" or nothing */
static bool fail_stream(struct run *run, const struct step *step)
{
    static const struct str pristine = STR("pristine");
    const struct stage *stage = &run->stage;
    bool is_pristine = str_has_prefix(step->rest, pristine);
    struct str why = is_pristine
                         ? str_trim(str_from_index(step->rest, pristine.len))
                         : step->rest;
    char *text = why.len ? xstr_dup(why) : NULL;
    bool there = stage_has_stream(stage) || stage_wants_stream(stage) ||
                 stage_wish(stage).ask;

    stage_fail_stream(&run->stage, text, is_pristine);
    free(text);
    return there || wrong(run, step, "there is no stream");
}

/* STATUS JSON: what the engine says to the question */
static bool answer_question(struct run *run, const struct step *step)
{
    struct str status, body;
    uint64_t number;

    str_cut(step->rest, ' ', &status, &body);
    if (str_to_u64(status, &number))
        return wrong(run, step, "a status is a number");
    return stage_answer(&run->stage, (unsigned)number, body) ||
           wrong(run, step, "nothing was asked");
}

const char *timer_name(enum connection_timer timer)
{
    static const char *const timers[] = {
        [TIMER_NONE] = "none",   [TIMER_HEAD] = "head", [TIMER_IDLE] = "idle",
        [TIMER_BODY] = "body",   [TIMER_LINK] = "link", [TIMER_DRAIN] = "drain",
        [TIMER_FLUSH] = "flush", [TIMER_TURN] = "turn", [TIMER_PAUSE] = "pause",
    };

    return timers[timer];
}

static bool time_out(struct run *run, const struct step *step)
{
    const char *timer = timer_name(stage_wish(&run->stage).timer);

    if (!str_eq(step->rest, str_from(timer)))
        return wrong(run, step, "the timer is \"%s\"", timer);
    stage_timeout(&run->stage);
    return true;
}

static bool set_room(struct run *run, const struct step *step, enum side side)
{
    uint64_t room;

    if (str_eq(step->rest, S("all")))
        room = SIZE_MAX;
    else if (str_to_u64(step->rest, &room))
        return wrong(run, step, "room is a number of bytes, or \"all\"");
    stage_set_room(&run->stage, side, room);
    return true;
}

/* "1.44", or a word: it is not known. */
static bool set_oldest(struct run *run, const struct step *step)
{
    uint64_t minor = 0;

    if (str_has_prefix(step->rest, S("1.")) &&
        str_to_u64(str_from_index(step->rest, 2), &minor))
        return wrong(run, step, "it is no API version");
    run->stage.facts.oldest = (unsigned)minor;
    return true;
}

bool run_step(struct run *run, const struct step *step)
{
    struct stage *stage = &run->stage;

    /* the first client connects when all about the world is said */
    if (step->word > WORD_KEEPS_STREAMS && !stage->client)
        stage_act_as(stage, 1);
    switch (step->word) {
    case WORD_ENGINE_KNOWN:
        stage_know_engine(stage);
        return true;
    case WORD_ENGINE_OLDEST:
        return set_oldest(run, step);
    case WORD_BUSY:
        stage->busy = true;
        return true;
    case WORD_ENGINE_FAR:
        stage->far = true;
        return true;
    case WORD_KEEPS_STREAMS:
        stage->keeps = true;
        return true;
    case WORD_CLIENT_SENDS:
        send_bytes(run, step, CLIENT);
        return true;
    case WORD_ENGINE_SENDS:
        if (!stage_has_stream(stage))
            return wrong(run, step, "there is no stream");
        send_bytes(run, step, ENGINE);
        return true;
    case WORD_CLIENT_EOF:
        stage_eof(stage, CLIENT);
        return true;
    case WORD_ENGINE_EOF:
        stage_eof(stage, ENGINE);
        return true;
    case WORD_CLIENT_GONE:
        stage_client_gone(stage);
        return true;
    case WORD_RECONNECT:
        return reconnect(run, step);
    case WORD_FIRST_CLIENT:
        return act_as(run, 0);
    case WORD_SECOND_CLIENT:
        return act_as(run, 1);
    case WORD_IDLE_CLOSES:
        stage_close_idle(stage);
        return true;
    case WORD_RELOAD:
        return reload(run, step);
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
        stage_shutdown(stage, str_eq(step->rest, S("now"))    ? END_NOW
                              : str_eq(step->rest, S("next")) ? END_AFTER_NEXT
                                                              : END_AFTER_THIS);
        return true;
    case WORD_AUDIT_FAILS:
    case WORD_AUDIT_WORKS:
        stage->audit_fails = step->word == WORD_AUDIT_FAILS;
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
