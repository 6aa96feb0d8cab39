/* A play (exchange_play.h) without namespaces: the lines of all. */

#include <stdlib.h>

#include "tests/fuzz/exchange_play.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/exchange_driver.h"

static const char *const requests[] = {
    "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n",
    "GET /v1.45/containers/json?all=1 HTTP/1.1\r\nHost: d\r\n\r\n",
    "POST /containers/a/start HTTP/1.1\r\nHost: d\r\n\r\n",
    "POST /containers/create?name=x HTTP/1.1\r\nHost: d\r\n"
    "Content-Length: 13\r\n\r\n{\"Image\":\"a\"}",
    "POST /build?t=a HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n",
    "5\r\nhello\r\n",
    "0\r\n\r\n",
    "PUT /containers/a/archive?path=/ HTTP/1.1\r\nHost: d\r\n"
    "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
    "POST /containers/a/attach?stream=1 HTTP/1.1\r\nHost: d\r\n"
    "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
    "POST /containers/a/attach HTTP/1.1\r\nHost: d\r\n"
    "Transfer-Encoding: chunked\r\n\r\n",
    "POST /exec/e/start HTTP/1.1\nHost: d\nContent-Length: 2\n\n{}\n",
    "POST /session HTTP/1.1\r\nHost: d\r\nUpgrade: h2c\r\n\r\n",
    "HEAD /containers/a/archive HTTP/1.1\r\nHost: d\r\n\r\n",
    "GET /containers/a/logs?follow=1 HTTP/1.0\r\n\r\n",
    "POST /plugins/pull HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\n\r\nabc",
    "DELETE /containers/a HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n",
};

#define FRAMED                                                                 \
    "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"         \
    "Content-Type: application/vnd.docker.multiplexed-stream\r\n\r\n"

static const char *const replies[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n",
    "5\r\nhello\r\n",
    "0\r\nX-Trailer: 1\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\nraw",
    FRAMED,
    "\x01\0\0\0\0\0\0\x02hi",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
    "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhe",
};

static const char *const answers[] = {"[]", "[1,2]", "{}", "7", ""};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static struct policy *policy;
    const struct lines lines = {
        .requests = requests,
        .request_count = sizeof(requests) / sizeof(*requests),
        .replies = replies,
        .reply_count = sizeof(replies) / sizeof(*replies),
        .answers = answers,
        .answer_count = sizeof(answers) / sizeof(*answers),
    };

    if (!policy)
        policy = driver_policy(
            "\"operations\": {\"allow\": [\"system\", \"container\", \"exec\", "
            "\"image\", \"build\", \"Session\"]}, "
            "\"container\": {\"limits\": {\"count\": 2}}, "
            "\"audit\": {\"to\": \"stdout\", \"required\": true}");
    play(bytes, len, policy, &lines, NULL);
    return 0;
}
