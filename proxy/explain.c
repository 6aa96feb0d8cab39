#include "proxy/command.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "proxy/http_reader.h"
#include "proxy/policy_file.h"
#include "proxy/request.h"

/* The longest request that can be explained: a head and a body to judge. */
#define LIMIT_EXPLAINED (LIMIT_HEAD + LIMIT_JSON_BODY)

static const char usage[] =
    "usage: berth explain --policy FILE [--json] [METHOD PATH [BODY-FILE]]\n"
    "\n"
    "Judge one request as the proxy would: verdict, the rule and field that\n"
    "decided, and the request as it would be sent to the engine. The request\n"
    "is raw HTTP on standard input, or METHOD and PATH with the body in a "
    "file\n"
    "(\"-\": standard input). Exit code: 0 allowed, 1 denied, 2 trouble.\n";

/* A raw request made of a command line. */
static int compose(char **words, int count, struct strbuf *out)
{
    AUTO(strbuf_fini) struct strbuf body = STRBUF(LIMIT_JSON_BODY);
    int r = 0;

    if (count == 3)
        r = file_read(words[2], &body);
    if (r < 0) {
        fprintf(stderr, "berth: %s: %s\n", words[2], strerror(-r));
        return r;
    }
    strbuf_addf(out, "%s %s HTTP/1.1\r\nHost: docker\r\n", words[0], words[1]);
    if (count == 3)
        strbuf_addf(out,
                    "Content-Type: application/json\r\n"
                    "Content-Length: %zu\r\n",
                    body.len);
    strbuf_add(out, S("\r\n"));
    return strbuf_add(out, strbuf_str(&body));
}

/* Feed RAW through the reader and the judge; the verdict is in *RQ. */
static void judge_raw(struct request *rq, const struct policy *policy,
                      struct http_reader *reader, struct str raw)
{
    const struct rewrite_context context = {.ns = str_from(policy->namespace)};
    struct str data;
    size_t used;

    for (;;) {
        switch (http_reader_next(reader, raw, &used, &data)) {
        case HTTP_HEAD:
            request_read_head(rq, policy, http_reader_head(reader));
            if (rq->verdict.kind == VERDICT_DENY)
                return;
            break;
        case HTTP_DATA:
            if (rq->body == REQUEST_BODY_COLLECT ||
                (rq->body == REQUEST_BODY_SNIFF && !request_has_enough(rq)))
                request_add_body(rq, data);
            if (rq->verdict.kind == VERDICT_DENY)
                return;
            break;
        case HTTP_END:
            request_judge(rq, policy, &context);
            return;
        case HTTP_MORE:
            /* a streamed body need not be there to be judged */
            if (rq->match.route && (rq->body == REQUEST_BODY_STREAM ||
                                    rq->body == REQUEST_BODY_SNIFF ||
                                    rq->body == REQUEST_BODY_TUNNEL))
                request_judge(rq, policy, &context);
            else
                verdict_deny(&rq->verdict, 400, "request.http", "",
                             "the request is not complete: a head ends with "
                             "an empty line, and a body is as long as its "
                             "Content-Length says");
            return;
        case HTTP_TUNNEL:
        case HTTP_ERROR:
            verdict_deny(&rq->verdict, http_reader_error(reader)->status,
                         "request.http", "", "%s",
                         http_reader_error(reader)->reason);
            return;
        }
        raw = str_from_index(raw, used);
    }
}

static void print_text(const struct request *rq, struct str sent)
{
    const struct verdict *verdict = &rq->verdict;
    enum operation operation = request_operation(rq);
    bool allowed = verdict->kind == VERDICT_ALLOW;

    printf("%s", allowed ? "allow" : "deny");
    if (operation)
        printf("  %s", operation_name(operation));
    printf("\nrule:   %s\n", verdict->rule);
    if (verdict->field[0])
        printf("field:  %s\n", verdict->field);
    if (verdict->reason[0])
        printf("reason: %s\n", verdict->reason);
    if (!allowed) {
        printf("status: %d\n", verdict->status);
        return;
    }
    for (size_t i = 0; i < json_array_size(rq->changes); i++) {
        char *change = json_dumps(json_array_get(rq->changes, i),
                                  JSON_COMPACT | JSON_ENCODE_ANY);

        printf("change: %s\n", change);
        free(change);
    }
    printf("\n%.*s", STR_FMT(sent));
    if (sent.len && sent.ptr[sent.len - 1] != '\n')
        putchar('\n');
}

static void print_json(const struct request *rq, struct str sent)
{
    const struct verdict *verdict = &rq->verdict;
    enum operation operation = request_operation(rq);
    bool allowed = verdict->kind == VERDICT_ALLOW;
    AUTO(json_decrefp) json_t *out = json_object();

    json_object_set_new(out, "verdict",
                        json_string(allowed ? "allow" : "deny"));
    json_object_set_new(out, "operation",
                        operation ? json_string(operation_name(operation))
                                  : json_null());
    json_object_set_new(out, "rule", json_string(verdict->rule));
    json_object_set_new(out, "field", json_string(verdict->field));
    json_object_set_new(out, "reason", json_string(verdict->reason));
    if (!allowed)
        json_object_set_new(out, "status", json_integer(verdict->status));
    if (rq->changes)
        json_object_set(out, "changes", rq->changes);
    if (allowed)
        json_object_set_new(out, "sent", json_stringn(sent.ptr, sent.len));
    json_dumpf(out, stdout, JSON_INDENT(2));
    putchar('\n');
}

static int explain(const struct policy *policy, struct str raw, bool json)
{
    AUTO(strbuf_fini)
    struct strbuf sent = STRBUF(REQUEST_MAX);
    struct http_reader *reader = http_reader_new(HTTP_REQUESTS);
    struct request rq;
    bool allowed;

    request_init(&rq);
    judge_raw(&rq, policy, reader, raw);
    allowed = rq.verdict.kind == VERDICT_ALLOW;
    if (allowed)
        request_put(&sent, &rq, http_reader_head(reader));
    (json ? print_json : print_text)(&rq, strbuf_str(&sent));
    request_fini(&rq);
    http_reader_free(reader);
    return allowed ? EXIT_OK : EXIT_DENIED;
}

int command_explain(int argc, char **argv)
{
    static const struct option options[] = {
        {"policy", required_argument, NULL, 'p'},
        {"json",   no_argument,       NULL, 'j'},
        {"help",   no_argument,       NULL, 'h'},
        {NULL,     0,                 NULL, 0  },
    };
    AUTO(strbuf_fini) struct strbuf why = STRBUF(64 * KIB);
    AUTO(strbuf_fini) struct strbuf raw = STRBUF(LIMIT_EXPLAINED);
    const char *path = NULL;
    struct policy *policy;
    bool json = false;
    int option, words, r;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'p':
            path = optarg;
            break;
        case 'j':
            json = true;
            break;
        default:
            fputs(usage, option == 'h' ? stdout : stderr);
            return option == 'h' ? EXIT_OK : EXIT_TROUBLE;
        }
    }
    words = argc - optind;
    if (words == 1 || words > 3) {
        fputs(usage, stderr);
        return EXIT_TROUBLE;
    }
    if (policy_file_load(path, NULL, 0, &policy, &why)) {
        fprintf(stderr, "%.*s", STR_FMT(strbuf_str(&why)));
        return EXIT_TROUBLE;
    }
    r = words ? compose(argv + optind, words, &raw) : file_read("-", &raw);
    if (r == 0)
        r = explain(policy, strbuf_str(&raw), json);
    else
        fprintf(stderr, "berth: the request cannot be read: %s\n",
                strerror(-r));
    policy_unref(policy);
    return r < 0 ? EXIT_TROUBLE : r;
}
