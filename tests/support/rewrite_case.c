#include "tests/support/rewrite_case.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/docker/dockerfile.h"
#include "policy/isolation/rewrite.h"

struct run {
    json_t *one;
    struct strbuf *wrong;
    struct target target;
    struct route_match match;
    json_t *body;
    struct own_ids *owned;
    struct rewrite rw;
    struct lookups lookups;
    json_t *opened; /* IDs whose ports are listened on */
    json_t *left;   /* answers that nobody has asked for yet */
};

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static void compare(struct run *run, const char *what, json_t *is,
                    json_t *should)
{
    char *a, *b;

    if (json_equal(is, should) || (!is && !should))
        return;
    a = json_dumps(is, JSON_ENCODE_ANY | JSON_SORT_KEYS | JSON_COMPACT);
    b = json_dumps(should, JSON_ENCODE_ANY | JSON_SORT_KEYS | JSON_COMPACT);
    strbuf_addf(run->wrong, "%s is\n  %s\nand not\n  %s\n", what,
                a ? a : "(nothing)", b ? b : "(nothing)");
    free(a);
    free(b);
}

static void compare_text(struct run *run, const char *what, struct str is,
                         const char *should)
{
    if (!str_eq(is, str_from(should)))
        strbuf_addf(run->wrong, "%s is\n  %.*s\nand not\n  %s\n", what,
                    STR_FMT(is), should);
}

static int digit(char c)
{
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static void put_decoded(struct strbuf *out, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '%' && i + 2 < s.len) {
            strbuf_add_char(
                out, (char)(digit(s.ptr[i + 1]) * 16 + digit(s.ptr[i + 2])));
            i += 2;
        } else {
            strbuf_add_char(out, (char)(s.ptr[i] == '+' ? ' ' : s.ptr[i]));
        }
    }
}

/* ---- in ---- */

/* "POST /path?query", the query's values as they are. */
static void put_escaped(struct strbuf *out, const char *text)
{
    for (; *text; text++) {
        if (strchr("{}\"[]<> ^|%+\\", *text))
            strbuf_addf(out, "%%%02X", (unsigned char)*text);
        else
            strbuf_add_char(out, *text);
    }
}

static bool take_request(struct run *run)
{
    AUTO(strbuf_fini) struct strbuf raw = STRBUF(LIMIT_HEAD);
    struct str method, target;
    struct verdict why;

    str_cut(str_from(text_at(run->one, "request")), ' ', &method, &target);
    put_escaped(&raw, target.ptr);
    if (target_parse(&run->target, strbuf_str(&raw), &why) ||
        route_find(method_find(method), &run->target, &run->match)) {
        strbuf_addf(run->wrong, "the request is none\n");
        return false;
    }
    return true;
}

static enum ref_kind kind_of(struct str word)
{
    for (enum ref_kind kind = REF_NONE; kind <= REF_PROFILE; kind++) {
        if (str_eq(word, str_from(ref_kind_name(kind))))
            return kind;
    }
    return REF_NONE;
}

static void learn(struct run *run)
{
    json_t *known;
    size_t i;

    json_array_foreach(json_object_get(run->one, "knows"), i, known)
    {
        struct str kind, word;

        str_cut(str_from(json_string_value(known)), ' ', &kind, &word);
        owned_add(run->owned, kind_of(kind), word);
    }
}

static void check_learned(struct run *run)
{
    json_t *known;
    size_t i;

    json_array_foreach(json_object_get(run->one, "learns"), i, known)
    {
        struct str kind, word;

        str_cut(str_from(json_string_value(known)), ' ', &kind, &word);
        if (!own_ids_has(run->owned, kind_of(kind), word))
            strbuf_addf(run->wrong, "%s is not known\n",
                        json_string_value(known));
    }
}

/* ---- questions ---- */

static void answer(struct run *run, size_t index)
{
    struct lookups *set = run->rw.context.lookups;
    const struct lookup *ask = &set->items[index];
    AUTO(strbuf_fini) struct strbuf target = STRBUF(MIB);
    json_t *given;
    size_t i;

    strbuf_addf(&target, "%s ", method_name(ask->method));
    put_decoded(&target, str_from(ask->target));
    json_array_foreach(run->left, i, given)
    {
        json_t *body = json_object_get(given, "body");

        if (!str_eq(strbuf_str(&target), str_from(text_at(given, "ask"))) ||
            (body && !json_equal(body, ask->body)))
            continue;
        if (ask->changes != (ask->method != METHOD_GET))
            strbuf_addf(run->wrong, "a change is no question\n");
        lookups_answer(
            set, index,
            (int)json_integer_value(json_object_get(given, "status")),
            json_incref(json_object_get(given, "reply")));
        json_array_remove(run->left, i);
        return;
    }
    strbuf_addf(run->wrong, "it asks %s\n", strbuf_cstr(&target));
    if (ask->body) {
        char *body = json_dumps(ask->body, JSON_COMPACT);

        strbuf_addf(run->wrong, "  with %s\n", body);
        free(body);
    }
    lookups_answer(set, index, 0, NULL);
}

/* From here on, the answers are those under KEY. */
static void expect_asks(struct run *run, const char *key)
{
    run->left = json_copy(json_object_get(run->one, key));
    if (!run->left)
        run->left = json_array();
}

static void check_all_asked(struct run *run)
{
    json_t *given;
    size_t i;

    json_array_foreach(run->left, i, given)
    {
        strbuf_addf(run->wrong, "it does not ask %s\n", text_at(given, "ask"));
    }
    json_decref(run->left);
    run->left = NULL;
}

static enum rewrite_step converse(struct run *run, enum rewrite_step step)
{
    while (step == REWRITE_ASK) {
        for (size_t i = 0; i < run->lookups.count; i++) {
            if (run->lookups.items[i].state != LOOKUP_ANSWERED)
                answer(run, i);
        }
        step = rewrite_next(&run->rw);
    }
    return step;
}

/* ---- out ---- */

static void check_sent(struct run *run)
{
    AUTO(strbuf_fini) struct strbuf raw = STRBUF(LIMIT_HEAD);
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_HEAD);
    json_t *should = json_object_get(run->one, "becomes_body");

    strbuf_addf(&text, "%s ", method_name(run->match.route->method));
    if (route_put_target(&raw, &run->match, &run->target))
        strbuf_addf(run->wrong, "the target cannot be written\n");
    put_decoded(&text, strbuf_str(&raw));
    compare_text(run, "the request", strbuf_str(&text),
                 text_at(run->one, "becomes"));
    if (should || !json_object_get(run->one, "body"))
        compare(run, "the body", run->body, should);
}

static void check_refused(struct run *run)
{
    json_t *refused = json_object_get(run->one, "refused");
    int status = (int)json_integer_value(json_array_get(refused, 0));

    if (run->rw.verdict.status != status)
        strbuf_addf(run->wrong, "it is refused with %d\n",
                    run->rw.verdict.status);
    compare_text(run, "the refusal", str_from(run->rw.verdict.reason),
                 json_string_value(json_array_get(refused, 1))
                     ? json_string_value(json_array_get(refused, 1))
                     : "");
}

/* What is asked once the reply's head, or its end, has come: under KEY. */
static void follow(struct run *run, enum rewrite_step step, const char *key)
{
    expect_asks(run, key);
    while (step == REWRITE_ASK) {
        for (size_t i = 0; i < run->lookups.count; i++) {
            if (run->lookups.items[i].state != LOOKUP_ANSWERED)
                answer(run, i);
        }
        step = rewrite_follow(&run->rw);
    }
    check_all_asked(run);
}

/* What is asked between two lines: under "line". */
static void follow_line(struct run *run)
{
    enum rewrite_step step = rewrite_after_line(&run->rw);

    if (step == REWRITE_ASK)
        follow(run, step, "line");
}

static void check_lines(struct run *run)
{
    json_auto_t *shown = json_array();
    json_t *line;
    size_t i;

    json_array_foreach(json_object_get(run->one, "lines"), i, line)
    {
        json_auto_t *copy = json_deep_copy(line);
        bool show = false;

        if (rewrite_line(&run->rw, copy, &show))
            strbuf_addf(run->wrong, "line %zu is not understood\n", i);
        if (run->rw.ahead)
            json_array_extend(shown, run->rw.ahead);
        json_decref(run->rw.ahead);
        run->rw.ahead = NULL;
        if (show)
            json_array_append(shown, copy);
        follow_line(run);
    }
    compare(run, "what is shown", shown, json_object_get(run->one, "shown"));
}

/* What becomes of the reply is what the case has under KEY. */
static void check_value(struct run *run, int status, const char *key)
{
    json_auto_t *reply = json_deep_copy(json_object_get(run->one, "reply"));
    bool broken;

    if (!reply)
        return;
    broken = rewrite_reply(&run->rw, status, reply) != 0;
    if (broken != json_is_true(json_object_get(run->one, "broken")))
        strbuf_addf(run->wrong, "the reply is %spassed on\n",
                    broken ? "not " : "");
    if (!broken)
        compare(run, "what is shown", reply, json_object_get(run->one, key));
}

static void check_reply(struct run *run)
{
    int status = (int)json_integer_value(json_object_get(run->one, "status"));
    char *text = json_dumps(json_object_get(run->one, "reply"), JSON_COMPACT);

    if (json_object_get(run->one, "lines"))
        check_lines(run);
    else
        check_value(run, status, "shown");
    if (status)
        follow(run, rewrite_after(&run->rw, status), "after");
    if (json_object_get(run->one, "finish"))
        follow(run, rewrite_finish(&run->rw, str_from(text)), "finish");
    if (json_object_get(run->one, "told"))
        check_value(run, status, "told");
    free(text);
}

static void check_step(struct run *run, enum rewrite_step step)
{
    switch (step) {
    case REWRITE_REFUSED:
        check_refused(run);
        break;
    case REWRITE_DONE:
        check_sent(run);
        compare(run, "the warnings", run->rw.warnings,
                json_object_get(run->one, "warns"));
        check_reply(run);
        break;
    case REWRITE_ANSWER:
        compare(run, "the answer", run->rw.answer,
                json_array_get(json_object_get(run->one, "answered"), 1));
        if (run->rw.answer_status !=
            json_integer_value(
                json_array_get(json_object_get(run->one, "answered"), 0)))
            strbuf_addf(run->wrong, "it is answered with %d\n",
                        run->rw.answer_status);
        check_reply(run);
        break;
    case REWRITE_ASK:
        break;
    }
}

/* ---- ports of the runner's localhost ---- */

static enum port_open open_ports(void *arg, struct str id, struct str name,
                                 const json_t *wish, struct str *other,
                                 struct strbuf *why)
{
    struct run *run = arg;
    json_t *taken = json_object_get(run->one, "taken");

    (void)name;
    (void)wish;
    if (json_is_string(taken)) { /* by a container that is no more */
        *other = str_from(json_string_value(taken));
        strbuf_add(why, S("port is already allocated"));
        if (json_object_get(run->opened, "learnt") == NULL)
            return PORT_IN_USE;
    }
    json_object_setn_new(run->opened, id.ptr, id.len, json_true());
    return PORT_OPEN;
}

static void doubt_ports(void *arg, struct str id)
{
    struct run *run = arg;

    json_object_deln(run->opened, id.ptr, id.len);
}

static void learn_ports(void *arg, struct str id, const json_t *inspected)
{
    struct run *run = arg;

    (void)id;
    if (!inspected)
        json_object_set_new(run->opened, "learnt", json_true());
}

static const json_t *shown_ports(void *arg, struct str id)
{
    struct run *run = arg;

    return json_object_getn(json_object_get(run->one, "listened"), id.ptr,
                            id.len);
}

static void note_ports(void *arg, struct str id, struct str name,
                       const json_t *wish)
{
    (void)arg;
    (void)id;
    (void)name;
    (void)wish;
}

static bool noted_ports(void *arg, struct str id, struct str *name,
                        json_t **wish)
{
    (void)arg;
    (void)id;
    (void)name;
    (void)wish;
    return false;
}

static void check_opened(struct run *run)
{
    json_object_del(run->opened, "learnt");
    compare(run, "what is listened for", run->opened,
            json_object_get(run->one, "opens"));
}

/* "mounts": {"/w": "rw"}, the policy's by host, or by copy. */
static struct objects read_mounts(const json_t *one, struct mount_rule *rules)
{
    struct objects mounts = {.items = rules};
    const char *key;
    json_t *mode;

    json_object_foreach(json_object_get(one, "mounts"), key, mode)
    {
        bool written = strcmp(json_string_value(mode), "ro") != 0;

        rules[mounts.count++] = (struct mount_rule){
            .source = (char *)(uintptr_t)key,
            .by = strcmp(json_string_value(mode), "copy") == 0 ? MOUNT_BY_COPY
                                                               : MOUNT_BY_HOST,
            .mode = written ? MOUNT_READ_WRITE : MOUNT_READ_ONLY,
            .create = !strcmp(json_string_value(mode), "create"),
        };
    }
    return mounts;
}

void rewrite_case_run(json_t *one, struct strbuf *wrong)
{
    struct run run = {.one = one, .wrong = wrong};
    json_t *engine = json_object_get(one, "engine");
    struct mount_rule rules[4] = {0};
    const struct objects mounts = read_mounts(one, rules);
    struct rewrite_context context = {
        .ns = S("r1"),
        .health_interval = 100,
        .engine_minor = engine ? (unsigned)json_integer_value(engine) : 45,
        .owned = own_ids_new(64),
        .lookups = &run.lookups,
        .port_address = str_from(text_at(one, "ports")),
        .gateway = str_from(text_at(one, "gateway")),
        .mounts = &mounts,
        .runner = str_from(text_at(one, "runner")),
        .binds = json_object_get(one, "binds"),
    };
    const char *text = text_at(one, "dockerfile");
    struct verdict why;
    struct dockerfile *dockerfile =
        *text ? dockerfile_read(str_from(text), NULL, S(""), &why) : NULL;
    const struct port_book book = {
        .open = open_ports,
        .doubt = doubt_ports,
        .learn = learn_ports,
        .shown = shown_ports,
        .note = note_ports,
        .noted = noted_ports,
        .arg = &run,
    };

    run.opened = json_object();
    if (context.port_address.len)
        context.ports = &book;
    run.owned = context.owned;
    target_init(&run.target);
    run.body = json_deep_copy(json_object_get(one, "body"));
    learn(&run);
    if (take_request(&run)) {
        enum rewrite_step step = rewrite_begin(&run.rw, &context, &run.match,
                                               &run.target, &run.body);

        run.rw.dockerfile = dockerfile;
        expect_asks(&run, "asks");
        step = converse(&run, step);
        check_all_asked(&run);
        check_step(&run, step);
        check_learned(&run);
        if (json_object_get(one, "opens"))
            check_opened(&run);
        rewrite_fini(&run.rw);
    }
    dockerfile_free(dockerfile);
    json_decref(run.body);
    target_fini(&run.target);
    own_ids_free(run.owned);
    json_decref(run.opened);
    lookups_fini(&run.lookups);
}
