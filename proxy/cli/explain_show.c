#include "proxy/cli/explain_show.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/base/json_diff.h"
#include "policy/base/json_strict.h"
#include "proxy/http/http_reader.h"

/* ---- what was changed ---- */

static void put_text(json_t *object, const char *kind, struct str name,
                     struct str text)
{
    json_t *key = json_sprintf("%s%.*s", kind, STR_FMT(name));
    json_t *value = json_stringn(text.ptr ? text.ptr : "", text.len), *old;

    old = json_object_get(object, json_string_value(key));
    if (json_is_array(old))
        json_array_append_new(old, value);
    else if (old)
        json_object_set_new(object, json_string_value(key),
                            json_pack("[O, o]", old, value));
    else
        json_object_set_new(object, json_string_value(key), value);
    json_decref(key);
}

/* Framing is always berth's own, and says nothing. */
static bool is_framing(struct str name)
{
    return str_eq_nocase(name, S("Content-Length")) ||
           str_eq_nocase(name, S("Transfer-Encoding"));
}

/* The parts of a head by name. */
static json_t *describe(const struct http_head *head)
{
    AUTO(target_fini) struct target target;
    json_t *out = json_object();
    struct str path, query;
    struct verdict why;

    str_cut(head->target, '?', &path, &query);
    put_text(out, "path", S(""), path);
    target_init(&target);
    if (target_parse(&target, head->target, &why) == 0) {
        for (size_t i = 0; i < target.query_count; i++)
            put_text(out, "query ", target.query[i].key, target.query[i].value);
    }
    for (size_t i = 0; i < head->header_count; i++) {
        if (!is_framing(head->headers[i].name))
            put_text(out, "header ", head->headers[i].name,
                     head->headers[i].value);
    }
    return out;
}

static json_t *describe_sent(struct str sent)
{
    struct http_reader *reader = http_reader_new(HTTP_REQUESTS);
    json_t *out = NULL;
    struct str data;
    size_t used;

    if (http_reader_next(reader, sent, &used, &data) == HTTP_HEAD)
        out = describe(http_reader_head(reader));
    http_reader_free(reader);
    return out;
}

json_t *explain_diff(const struct explanation *explanation)
{
    json_auto_t *before = describe(explanation->head);
    json_auto_t *after = describe_sent(explanation->sent);
    json_auto_t *body = NULL, *rows = NULL;
    json_t *all = json_diff(before, after);
    struct verdict why;

    if (!explanation->rq->tree ||
        json_strict_parse(explanation->body, "", &body, &why))
        return all;
    rows = json_diff(body, explanation->rq->tree);
    json_array_extend(all, rows);
    return all;
}

/* ---- for people ---- */

static void print_value(const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

    fputs(text ? text : "", stdout);
    free(text);
}

static void print_row(const json_t *row)
{
    const json_t *before = json_object_get(row, "before");
    const json_t *after = json_object_get(row, "after");
    const json_t *renamed = json_object_get(row, "renamed");

    printf("  %c %s",
           !before && !renamed  ? '+'
           : !after && !renamed ? '-'
                                : '~',
           json_string_value(json_object_get(row, "path")));
    if (renamed) {
        printf(" -> %s\n", json_string_value(renamed));
        return;
    }
    fputs(": ", stdout);
    if (before)
        print_value(before);
    if (before && after)
        fputs(" -> ", stdout);
    if (after)
        print_value(after);
    putchar('\n');
}

/* The questions, in the words of --assume; and what berth would do itself. */
static void print_assumptions(const json_t *made)
{
    const json_t *row, *part;
    size_t i;

    json_array_foreach(made, i, row)
    {
        bool change = json_object_get(row, "body") != NULL;

        if (i == 0)
            printf("\nassumed of an engine with API 1.%d (see --assume):\n",
                   ASSUMED_API_MINOR);
        printf("  %s", json_string_value(json_object_get(row, "question")));
        if (change) {
            putchar(' ');
            print_value(json_object_get(row, "body"));
            fputs(" ->", stdout);
        }
        printf(" %d", (int)json_integer_value(json_object_get(row, "status")));
        part = json_object_get(row, "reply");
        if (part && !change) {
            putchar(' ');
            print_value(part);
        }
        part = json_object_get(row, "means");
        printf("\n    %s\n", part ? json_string_value(part) : "as you said");
    }
}

static void print_verdict(const char *what, const struct verdict *verdict,
                          const char *operation)
{
    printf("%s", what);
    if (operation)
        printf("  %s", operation);
    printf("\nrule:   %s\n", verdict->rule);
    if (verdict->field[0])
        printf("field:  %s\n", verdict->field);
    if (verdict->reason[0])
        printf("reason: %s\n", verdict->reason);
    if (verdict->kind == VERDICT_DENY)
        printf("status: %d\n", verdict->status);
}

/* What else is wrong with it. */
static void print_others(const struct judgement *judgement)
{
    for (size_t i = 0; i < judgement->other_count; i++) {
        const struct verdict *other = &judgement->others[i];

        printf("also:   %s%s%s: %s\n", other->rule, other->field[0] ? ", " : "",
               other->field, other->reason);
    }
}

static json_t *others_of(const struct judgement *judgement)
{
    json_t *all = json_array();

    for (size_t i = 0; i < judgement->other_count; i++) {
        const struct verdict *other = &judgement->others[i];

        json_array_append_new(all, json_pack("{s:s, s:s, s:s}", "rule",
                                             other->rule, "field", other->field,
                                             "reason", other->reason));
    }
    return all;
}

static const char *verdict_word(const struct request *rq)
{
    return rq->verdict.kind != VERDICT_ALLOW ? "deny"
           : rq->would_deny                  ? "would-deny"
                                             : "allow";
}

static const char *operation_word(const struct request *rq)
{
    enum operation operation = request_operation(rq);

    return operation ? operation_name(operation) : NULL;
}

static void print_sent(const struct explanation *explanation)
{
    const struct request *rq = explanation->rq;
    struct str sent = explanation->sent;
    json_auto_t *rows = NULL;
    const json_t *row;
    size_t i;

    if (rq->answers) {
        printf("\nnot sent; berth answers %d", rq->answer_status);
        if (rq->answer) {
            putchar(' ');
            print_value(rq->answer);
        }
        putchar('\n');
        return;
    }
    rows = explain_diff(explanation);
    json_array_foreach(rows, i, row)
    {
        if (i == 0)
            puts("\nchanged:");
        print_row(row);
    }
    printf("\nsent:\n%.*s", STR_FMT(sent));
    if (sent.len && sent.ptr[sent.len - 1] != '\n')
        putchar('\n');
    if (rq->body == REQUEST_BODY_STREAM || rq->body == REQUEST_BODY_HIJACK)
        puts("(what follows goes on as it comes)");
}

void explain_show_text(const struct explanation *explanation)
{
    const struct request *rq = explanation->rq;

    print_verdict(verdict_word(rq),
                  rq->would_deny ? &rq->reported : &rq->verdict,
                  operation_word(rq));
    print_others(&rq->judgement);
    print_assumptions(explanation->assumptions->made);
    if (rq->verdict.kind == VERDICT_ALLOW)
        print_sent(explanation);
}

/* ---- for programs ---- */

void explain_show_json(const struct explanation *explanation)
{
    const struct request *rq = explanation->rq;
    const struct verdict *verdict =
        rq->would_deny ? &rq->reported : &rq->verdict;
    AUTO(json_decrefp)
    json_t *out =
        json_pack("{s:s, s:s?, s:s, s:s, s:s, s:O}", "verdict",
                  verdict_word(rq), "operation", operation_word(rq), "rule",
                  verdict->rule, "field", verdict->field, "reason",
                  verdict->reason, "assumed", explanation->assumptions->made);

    if (verdict->kind == VERDICT_DENY)
        json_object_set_new(out, "status", json_integer(verdict->status));
    if (rq->judgement.other_count)
        json_object_set_new(out, "also", others_of(&rq->judgement));
    if (rq->changes)
        json_object_set(out, "changes", rq->changes);
    if (rq->answers) {
        json_object_set_new(out, "answered", json_integer(rq->answer_status));
        json_object_set(out, "answer", rq->answer);
    } else if (rq->verdict.kind == VERDICT_ALLOW) {
        json_object_set_new(out, "diff", explain_diff(explanation));
        json_object_set_new(
            out, "sent",
            json_stringn(explanation->sent.ptr, explanation->sent.len));
    }
    json_dumpf(out, stdout, JSON_INDENT(2));
    putchar('\n');
}
