#include "proxy/cli/command.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "proxy/base/policy_file.h"
#include "proxy/cli/explain_show.h"
#include "proxy/http/http_reader.h"

/* The longest request that can be explained: a head and a body to judge. */
#define LIMIT_EXPLAINED (LIMIT_HEAD + LIMIT_JSON_BODY)

static const char usage[] =
    "usage: berth explain [--policy FILE] [--json] [--assume ANSWER]...\n"
    "                     [METHOD PATH [BODY-FILE]]\n"
    "\n"
    "Judge one request as the proxy would: verdict, the rule and field that\n"
    "decided, what is changed, and the request as it would be sent. It is raw\n"
    "HTTP on standard input, or METHOD and PATH with the body in a file "
    "(\"-\":\n"
    "standard input). Exit code: 0 allowed, 1 denied, 2 trouble.\n"
    "\n"
    "No engine is asked: what is named is taken to be there and the runner's\n"
    "own, and it is shown. To see what becomes of it otherwise, say so:\n"
    "    --assume 'GET /volumes/r1.data 404'\n"
    "    --assume 'GET /images/app/json 200 {\"RepoTags\": "
    "[\"app:latest\"]}'\n";

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

/* Feed RAW through the reader and the judge; the verdict is in *RQ, unless it
 * asks. BODY gets what it has of one. */
static void judge_raw(struct request *rq, const struct policy *policy,
                      struct http_reader *reader, struct str raw,
                      struct strbuf *body)
{
    const struct rewrite_context context = {
        .ns = str_from(policy->namespace),
        .engine_minor = ASSUMED_API_MINOR,
        .health_interval = policy->rules.container.limits.health_interval,
        .log_driver = S("json-file"),
        .port_address = str_from(policy->port_address),
        .mounts = &policy->rules.container.mounts,
        .runner = str_from(policy->rules.container.runner
                               ? policy->rules.container.runner
                               : ""),
        .port_bind =
            str_from(policy->rules.ports.bind ? policy->rules.ports.bind : "")};
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
            strbuf_add(body, data);
            if (rq->body == REQUEST_BODY_COLLECT)
                request_add_body(rq, data);
            if (rq->verdict.kind == VERDICT_DENY)
                return;
            break;
        case HTTP_END:
            request_judge(rq, policy, &context, NULL);
            return;
        case HTTP_MORE:
            /* a streamed body need not be there to be judged */
            if (rq->match.route && (rq->body == REQUEST_BODY_STREAM ||
                                    rq->body == REQUEST_BODY_HIJACK))
                request_judge(rq, policy, &context, NULL);
            else
                verdict_deny(&rq->verdict, 400, "request.http", "",
                             "the request is not complete: a head ends with "
                             "an empty line, and a body is as long as its "
                             "Content-Length says");
            return;
        case HTTP_HIJACK:
        case HTTP_ERROR:
            verdict_deny(&rq->verdict, http_reader_error(reader)->status,
                         "request.http", "", "%s",
                         http_reader_error(reader)->reason);
            return;
        }
        raw = str_from_index(raw, used);
    }
}

/* Answer what berth would ask the engine, until there is a verdict. */
static void settle(struct request *rq, const struct policy *policy,
                   struct assumptions *assumptions)
{
    while (request_asks(rq)) {
        size_t next = lookups_next(&rq->lookups);
        json_t *reply;
        int status;

        assume(assumptions, &rq->lookups.items[next], policy->namespace,
               &status, &reply);
        request_answered(rq, policy, next, status, reply);
    }
}

static int explain(const struct policy *policy, struct str raw,
                   struct assumptions *assumptions, bool json)
{
    AUTO(strbuf_fini) struct strbuf body = STRBUF(LIMIT_EXPLAINED);
    AUTO(strbuf_fini) struct strbuf sent = STRBUF(REQUEST_MAX);
    struct http_reader *reader = http_reader_new(HTTP_REQUESTS);
    struct request rq;
    struct explanation explanation = {.rq = &rq, .assumptions = assumptions};
    bool allowed;

    assumptions->container = &policy->rules.container;
    request_init(&rq);
    judge_raw(&rq, policy, reader, raw, &body);
    settle(&rq, policy, assumptions);
    allowed = rq.verdict.kind == VERDICT_ALLOW;
    explanation.head = http_reader_head(reader);
    if (allowed && !rq.answers)
        request_put(&sent, &rq, explanation.head);
    explanation.body = strbuf_str(&body);
    explanation.sent = strbuf_str(&sent);
    (json ? explain_show_json : explain_show_text)(&explanation);
    request_fini(&rq);
    http_reader_free(reader);
    return allowed ? EXIT_OK : EXIT_DENIED;
}

int command_explain(int argc, char **argv)
{
    static const struct option options[] = {
        {"policy", required_argument, NULL, 'p'},
        {"json",   no_argument,       NULL, 'j'},
        {"assume", required_argument, NULL, 'a'},
        {"help",   no_argument,       NULL, 'h'},
        {NULL,     0,                 NULL, 0  },
    };
    AUTO(strbuf_fini) struct strbuf why = STRBUF(64 * KIB);
    AUTO(strbuf_fini) struct strbuf raw = STRBUF(LIMIT_EXPLAINED);
    AUTO(assumptions_fini) struct assumptions assumptions;
    const char *path = NULL;
    struct policy *policy;
    bool json = false;
    int option, words, r;

    assumptions_init(&assumptions);
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'a':
            if (assumptions_add(&assumptions, optarg) == 0)
                break;
            fprintf(stderr,
                    "berth: \"%s\" is no answer; write METHOD TARGET "
                    "STATUS [JSON]\n",
                    optarg);
            return EXIT_TROUBLE;
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
        r = explain(policy, strbuf_str(&raw), &assumptions, json);
    else
        fprintf(stderr, "berth: the request cannot be read: %s\n",
                strerror(-r));
    policy_unref(policy);
    return r < 0 ? EXIT_TROUBLE : r;
}
