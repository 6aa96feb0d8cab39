#include "tests/wire/run.h"

#include <stdio.h>

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

const char *timer_name(enum exchange_timer timer)
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
    const char *timer = timer_name(exchange_wish(run->driver.ex).timer);

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

bool run_step(struct run *run, const struct step *step)
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
        exchange_shutdown(d->ex, str_eq(step->rest, S("now")) ? END_NOW
                                 : str_eq(step->rest, S("next"))
                                     ? END_AFTER_NEXT
                                     : END_AFTER_THIS);
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
