/*
 * A play (exchange_play.h) of the runner in namespace r1, on an engine where
 * r2 has things, too. Beside what holds for every exchange: nothing goes to the
 * engine that is not kept to r1, and nothing comes back that is labelled as
 * r2's, or a label of ours.
 */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/docker/reference.h"
#include "policy/isolation/rewrite.h"
#include "proxy/http/http_reader.h"
#include "tests/fuzz/exchange_play.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/exchange_driver.h"
#include "tests/support/isolation_oracle.h"

#define TEN(x)  x x x x x x x x x x
#define OWN     TEN("aaaaaa") "aaaa"
#define FOREIGN TEN("bbbbbb") "bbbb"
#define R1      "\"Labels\":{\"berth.namespace\":\"r1\"}"
#define R2      "\"Labels\":{\"berth.namespace\":\"r2\",\"a\":\"foreign\"}"

/* The head, and a body for it. */
static const char *const asked[][2] = {
    {"GET /containers/json?all=1",                              ""                               },
    {"GET /containers/" OWN "/json",                            ""                               },
    {"GET /containers/" FOREIGN "/json",                        ""                               },
    {"GET /containers/bb/json",                                 ""                               },
    {"GET /containers/aa/logs?stdout=1",                        ""                               },
    {"POST /containers/create?name=x",
     "{\"Image\":\"a\",\"HostConfig\":{\"NetworkMode\":\"container:" FOREIGN
     "\",\"Binds\":[\"vol:/v\",\"/w\"],\"VolumesFrom\":[\"r2.web\",\"bb\"]}}"                    },
    {"POST /containers/create?name=r2.x",
     "{\"Image\":\"theirs\",\"HostConfig\":{\"Links\":[\"web:w\"],\"Mounts\":"
     "[{\"Type\":\"volume\",\"Source\":\"" FOREIGN "\",\"Target\":\"/m\"}]},"
     "\"NetworkingConfig\":{\"EndpointsConfig\":{\"net\":{}}}}"                                  },
    {"POST /containers/create",
     "{\"Image\":\"a\",\"Labels\":{\"berth.namespace\":\"r2\"}}"                                 },
    {"POST /containers/web/start",                              ""                               },
    {"DELETE /containers/r2.web?force=1&v=1",                   ""                               },
    {"POST /containers/" OWN "/rename?name=r2.y",               ""                               },
    {"POST /containers/prune?filters={\"label!\":[\"berth\"]}", ""                               },
    {"POST /containers/bb/exec",                                "{\"Cmd\":[\"true\"]}"           },
    {"GET /exec/" FOREIGN "/json",                              ""                               },
    {"POST /exec/" OWN "/start",                                "{}"                             },
    {"GET /networks",                                           ""                               },
    {"GET /networks/bb",                                        ""                               },
    {"POST /networks/create",                                   "{\"Name\":\"r2.net\"}"          },
    {"POST /networks/bridge/connect",                           "{\"Container\":\"" FOREIGN "\"}"},
    {"DELETE /networks/" FOREIGN,                               ""                               },
    {"GET /volumes",                                            ""                               },
    {"GET /volumes/" FOREIGN,                                   ""                               },
    {"POST /volumes/create",                                    "{\"Name\":\"r2.vol\"}"          },
    {"POST /volumes/prune",                                     ""                               },
    {"GET /images/json?all=1",                                  ""                               },
    {"GET /images/theirs/json",                                 ""                               },
    {"GET /images/theirs/get",                                  ""                               },
    {"POST /commit?container=bb&repo=app",                      ""                               },
    {"POST /build?t=app&networkmode=container:bb",              ""                               },
    {"GET /events?since=1",                                     ""                               },
    {"GET /system/df",                                          ""                               },
    {"GET /info",                                               ""                               },
};

#define CONTAINERS                                                             \
    "[{\"Id\":\"" OWN "\",\"Names\":[\"/r1.web\"]," R1 "},{\"Id\":\"" FOREIGN  \
    "\",\"Names\":[\"/r2.foreign\"]," R2 "}]"
#define NETWORKS                                                               \
    "[{\"Id\":\"" OWN "\",\"Name\":\"r1.net\"," R1 "},{\"Id\":\"" FOREIGN      \
    "\",\"Name\":\"r2.foreign\"," R2 "},{\"Id\":\"cc\",\"Name\":\"host\"}]"
#define VOLUMES                                                                \
    "{\"Volumes\":[{\"Name\":\"r1.vol\"," R1 "},{\"Name\":\"" FOREIGN "\"," R2 \
    "}],\"Warnings\":null}"
#define IMAGES                                                                 \
    "[{\"Id\":\"sha256:" OWN                                                   \
    "\",\"RepoTags\":[\"r1.berth.invalid/app:1\"]," R1                         \
    "},{\"Id\":\"sha256:" FOREIGN                                              \
    "\",\"RepoTags\":[\"r2.berth.invalid/foreign:1\"]," R2 "}]"

static const char *const said[][2] = {
    {"200 OK",                    CONTAINERS                                                },
    {"200 OK",                    NETWORKS                                                  },
    {"200 OK",                    VOLUMES                                                   },
    {"200 OK",                    IMAGES                                                    },
    {"200 OK",                    "{\"Id\":\"" OWN "\",\"Name\":\"/r1.web\",\"Config\":{" R1
               "},\"HostConfig\":{\"NetworkMode\":\"r1.bridge\"}}"            },
    {"200 OK",
     "{\"Id\":\"" FOREIGN "\",\"Name\":\"/r2.foreign\",\"Config\":{" R2
     "},\"HostConfig\":{}}"                                                                 },
    {"200 OK",                    "{\"Id\":\"" FOREIGN "\",\"Name\":\"r2.foreign\"," R2 "}" },
    {"200 OK",                    "{\"LayersSize\":1,\"Containers\":" CONTAINERS
               ",\"Images\":" IMAGES ",\"BuildCache\":[{\"ID\":\"foreign\"}]}"},
    {"200 OK",                    "{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":"
               "\"" FOREIGN "\",\"Attributes\":{\"berth.namespace\":\"r2\","
               "\"name\":\"r2.foreign\"}}}\n"
               "{\"Type\":\"network\",\"Action\":\"create\",\"Actor\":{\"ID\":"
               "\"" FOREIGN "\",\"Attributes\":{\"name\":\"r2.foreign\"}}}\n"
               "{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":"
               "\"" OWN "\",\"Attributes\":{\"berth.namespace\":\"r1\","
               "\"name\":\"r1.web\"}}}\n"                                     },
    {"201 Created",               "{\"Id\":\"" OWN "\",\"Warnings\":[]}"                    },
    {"404 Not Found",             "{\"message\":\"No such container: r1.web\"}"             },
    {"500 Internal Server Error", "oops, r1.web\n"                                          },
    {"204 No Content",            ""                                                        },
    {"101 UPGRADED",              ""                                                        },
};

static const char *const answers[] = {
    CONTAINERS,
    NETWORKS,
    VOLUMES,
    IMAGES,
    "{\"ContainerID\":\"" FOREIGN "\"}",
    "{\"ContainerID\":\"" OWN "\"}",
    "{\"Id\":\"sha256:" FOREIGN
    "\",\"RepoTags\":[\"r2.berth.invalid/theirs:latest\"],"
    "\"Config\":{" R2 "}}",
    "{\"Id\":\"sha256:" OWN "\",\"RepoTags\":[\"a:latest\"],\"Config\":{\""
    "Volumes\":{\"/data\":{}}}}",
    "{\"Name\":\"r1.bridge\"," R1 "}",
    "{\"Id\":\"" OWN "\",\"Name\":\"/r1.web\",\"NetworkSettings\":{\"Networks\""
    ":{\"r1.net\":{\"Aliases\":[\"web\"]}}}}",
    "{}",
    "7",
};

enum {
    ASKED = sizeof(asked) / sizeof(*asked),
    SAID = sizeof(said) / sizeof(*said),
    ANSWERS = sizeof(answers) / sizeof(*answers),
};

/* A message of FIRST and REST, its head, and a BODY. */
static char *message(const char *first, const char *rest, const char *body)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(MIB);

    strbuf_addf(&out, "%s%s\r\n", first, rest);
    if (*body)
        strbuf_addf(&out,
                    "Content-Type: application/json\r\n"
                    "Content-Length: %zu\r\n",
                    strlen(body));
    strbuf_addf(&out, "\r\n%s", body);
    return xstrdup(strbuf_cstr(&out));
}

static void request_is_kept(const struct route_match *match,
                            const struct target *target, json_t *body,
                            struct own_ids *owned)
{
    assert(!kept_wrong(S("r1"), owned, match, target, body));
}

static bool has(struct str text, struct str word)
{
    for (; text.len >= word.len; text = str_from_index(text, 1)) {
        if (str_has_prefix(text, word))
            return true;
    }
    return false;
}

static void assert_clean(const json_t *json)
{
    char *text = json ? json_dumps(json, JSON_ENCODE_ANY) : xstrdup("");

    assert(!has(str_from(text), S("foreign")));
    assert(!has(str_from(text), S("berth.")));
    free(text);
}

/* Each thing that is somebody's. What is elsewhere in a reply is another
 * operation's, which no engine would answer with. */
static bool element_is_clean(void *arg, const struct document *document,
                             json_t *element)
{
    (void)arg;
    if (document->kind != REF_NONE)
        assert_clean(element);
    return true;
}

static bool place_is_fine(void *arg, const struct reference *row,
                          struct spot *spot)
{
    (void)arg;
    (void)row;
    (void)spot;
    return true;
}

static void reply_is_kept(enum operation operation, int status, struct str body)
{
    const struct reference_visitor visitor = {.element = element_is_clean,
                                              .place = place_is_fine};
    struct str line;

    if (status >= 300)
        return;
    for (bool more = true; more;) {
        json_t *json;

        more = str_cut(body, '\n', &line, &body);
        json = reply_json_parse(line);
        if (operation == OP_SYSTEM_EVENTS)
            assert_clean(json);
        else if (json)
            reference_walk(operation, IN_REPLY, json, &visitor);
        json_decref(json);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const struct watch watch = {request_is_kept, reply_is_kept};
    static struct policy *policy;
    static const char *requests[ASKED], *replies[SAID];
    const struct lines lines = {requests, replies, answers,
                                ASKED,    SAID,    ANSWERS};
    const struct str input = str_of((const char *)bytes, len);

    if (!policy) {
        policy = driver_policy(
            "\"preset\": \"compose-tests\", \"isolation\": \"namespace\", "
            "\"audit\": {\"to\": \"stdout\", \"required\": true}");
        for (size_t i = 0; i < ASKED; i++)
            requests[i] =
                message(asked[i][0], " HTTP/1.1\r\nHost: d", asked[i][1]);
        for (size_t i = 0; i < SAID; i++)
            replies[i] = message("HTTP/1.1 ", said[i][0], said[i][1]);
    }
    /* what the input says by itself may be called like that */
    if (!has(input, S("foreign")) && !has(input, S("berth.")))
        play(bytes, len, policy, &lines, &watch);
    return 0;
}
