#include "policy/judge/judge.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/judge/check.h"

enum { CHANGES_STEP = 8 }; /* room for so many more is made at once */

const char *change_kind_name(enum change_kind kind)
{
    static const char *const names[] = {
#define X(id, name) [id] = (name),
        CHANGE_KINDS(X)
#undef X
    };

    return names[kind];
}

void judgement_init(struct judgement *judgement)
{
    *judgement = (struct judgement){0};
}

void judgement_drop_needs(struct judgement *judgement)
{
    while (judgement->need_count)
        free(judgement->needs[--judgement->need_count].subject);
}

void judgement_fini(struct judgement *judgement)
{
    judgement_drop_needs(judgement);
    while (judgement->lack_count)
        free(judgement->lacks[--judgement->lack_count].word);
    json_decref(judgement->binds);
    json_decref(judgement->warnings);
    free(judgement->others);
    free(judgement->lacks);
    free(judgement->needs);
    free(judgement->changes);
    judgement_init(judgement);
}

bool json_is_empty(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_NULL:
    case JSON_FALSE:
        return true;
    case JSON_STRING:
        return json_string_length(value) == 0;
    case JSON_INTEGER:
        return json_integer_value(value) == 0;
    case JSON_REAL:
        return json_real_value(value) == 0.0;
    case JSON_ARRAY:
        return json_array_size(value) == 0;
    case JSON_OBJECT:
        return json_object_size(value) == 0;
    case JSON_TRUE:
        break;
    }
    return false;
}

struct str json_text(const json_t *value)
{
    return json_is_string(value)
               ? str_of(json_string_value(value), json_string_length(value))
               : S("");
}

struct str member_text(const json_t *object, const char *key)
{
    return json_text(json_object_get(object, key));
}

json_int_t member_integer(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* Keep WHY, unless another refusal has been passed over before. */
static void report(struct judgement *out, const struct verdict *why)
{
    if (!out->would_deny)
        out->reported = *why;
    out->would_deny = true;
}

__attribute__((format(printf, 4, 0))) static struct verdict
refusal(int status, const char *rule, const struct place *place,
        const char *format, va_list args)
{
    char text[LIMIT_REASON], where[PLACE_MAX];
    struct verdict why;

    vsnprintf(text, sizeof(text), format, args);
    place_spell(place, where);
    verdict_deny(&why, status, rule, where, "%s", text);
    return why;
}

void judgement_note_lack(struct judgement *out, const char *rule,
                         struct str word)
{
    if (out->lack_count == LIMIT_LACKS || word.len > LIMIT_LACK_WORD)
        return;
    if (!out->lacks)
        out->lacks = xcalloc(LIMIT_LACKS, sizeof(*out->lacks));
    out->lacks[out->lack_count++] = (struct lack){rule, xstr_dup(word)};
}

static bool is_said(const struct verdict *verdict, const struct verdict *why)
{
    return !strcmp(verdict->rule, why->rule) &&
           !strcmp(verdict->reason, why->reason);
}

/* Keep WHY beside those that were kept before. */
static void refuse(struct judgement *out, const struct verdict *why)
{
    if (!out->refused) {
        out->refused = true;
        out->verdict = *why;
        return;
    }
    if (is_said(&out->verdict, why))
        return;
    for (size_t i = 0; i < out->other_count; i++) {
        if (is_said(&out->others[i], why))
            return;
    }
    if (out->other_count == LIMIT_REFUSALS) {
        out->others_omitted++;
        return;
    }
    if (!out->others)
        out->others = xcalloc(LIMIT_REFUSALS, sizeof(*out->others));
    out->others[out->other_count++] = *why;
}

bool judgement_refuse(struct judgement *out, const struct verdict *why)
{
    if (out->reports && why->status == 403)
        report(out, why);
    else
        refuse(out, why);
    return why->status == 403;
}

static int put_other(struct strbuf *out, const struct verdict *why)
{
    int r = strbuf_addf(out, "; also");

    if (r == 0 && why->field[0])
        r = strbuf_addf(out, " %s", why->field);
    return r ? r : strbuf_addf(out, ": %s", why->reason);
}

int judgement_put_refusal(const struct judgement *judgement, struct strbuf *out)
{
    int r = strbuf_addf(out, "%s", judgement->verdict.reason);

    for (size_t i = 0; r == 0 && i < judgement->other_count; i++)
        r = put_other(out, &judgement->others[i]);
    if (r == 0 && judgement->others_omitted)
        r = strbuf_addf(out, "; and %zu more", judgement->others_omitted);
    return r;
}

bool judge_refuse(struct judge *judge, int status, const char *rule,
                  const struct place *place, const char *format, ...)
{
    struct verdict why;
    va_list args;

    va_start(args, format);
    why = refusal(status, rule, place, format, args);
    va_end(args);
    return judgement_refuse(judge->out, &why);
}

bool judge_lack(struct judge *judge, const char *rule, struct str word,
                const struct place *place, const char *format, ...)
{
    struct verdict why;
    va_list args;

    va_start(args, format);
    why = refusal(403, rule, place, format, args);
    va_end(args);
    judgement_note_lack(judge->out, rule, word);
    return judgement_refuse(judge->out, &why);
}

bool judge_forbid(struct judge *judge, const char *rule,
                  const struct place *place, const char *format, ...)
{
    struct verdict why;
    va_list args;

    va_start(args, format);
    why = refusal(403, rule, place, format, args);
    va_end(args);
    refuse(judge->out, &why);
    return false;
}

void judge_warn(struct judge *judge, const char *format, ...)
{
    char text[LIMIT_REASON];
    struct judgement *out = judge->out;
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (!out->warnings)
        out->warnings = json_array();
    if (json_array_size(out->warnings) < LIMIT_WARNINGS)
        json_array_append_new(out->warnings, json_string(text));
}

void judge_note_lack(struct judge *judge, const char *rule, struct str word)
{
    judgement_note_lack(judge->out, rule, word);
}

void judge_note(struct judge *judge, enum change_kind kind,
                const struct place *place)
{
    struct judgement *out = judge->out;

    if (out->change_count == LIMIT_CHANGES) {
        out->changes_omitted++;
        return;
    }
    /* most requests have none, and live as long as their streams */
    if (out->change_count % CHANGES_STEP == 0) {
        out->changes =
            realloc(out->changes,
                    (out->change_count + CHANGES_STEP) * sizeof(*out->changes));
        if (!out->changes)
            abort();
    }
    out->changes[out->change_count].kind = kind;
    place_spell(place, out->changes[out->change_count++].place);
}

bool judge_need(struct judge *judge, enum need_kind kind, struct str subject,
                const char *rule, const struct place *place, const char *format,
                ...)
{
    struct judgement *out = judge->out;
    struct need *need;
    va_list args;

    if (out->need_count == LIMIT_NEEDS)
        return judge_refuse(judge, 403, rule, place,
                            "this needs more than %d questions to the engine",
                            LIMIT_NEEDS);
    if (!out->needs)
        out->needs = xcalloc(LIMIT_NEEDS, sizeof(*out->needs));
    need = &out->needs[out->need_count];
    va_start(args, format);
    need->otherwise = refusal(403, rule, place, format, args);
    va_end(args);
    need->kind = kind;
    need->subject = subject.len ? xstr_dup(subject) : NULL;
    need->fact = (struct fact){0};
    out->need_count++;
    return true;
}
