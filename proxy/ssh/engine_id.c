#include "proxy/ssh/engine_id.h"

#include <stdio.h>
#include <string.h>

#include "policy/isolation/rewrite.h"
#include "proxy/upstream/subrequest.h"

enum {
    ASK_TIMEOUT_MS = 10000,
    ASK_AGAIN_MS = 1000, /* where the engine did not answer */
};

static void on_info(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    struct engine_id *engine = arg;
    json_auto_t *info =
        head && head->status == 200 ? reply_json_parse(body) : NULL;
    const char *id = json_string_value(json_object_get(info, "ID"));

    (void)why;
    engine->question = NULL;
    if (!info) {
        event_add(engine->timer, &(struct timeval){ASK_AGAIN_MS / 1000, 0});
        return;
    }
    event_del(engine->timer);
    engine->told = true;
    snprintf(engine->id, sizeof(engine->id), "%s",
             id && strlen(id) <= LIMIT_ENGINE_ID ? id : "");
    engine->on_told(engine->arg);
}

static void ask(struct engine_id *engine)
{
    engine->question = subrequest_new(engine->base, engine->pool, METHOD_GET,
                                      S("/info"), S(""), on_info, engine);
    event_add(engine->timer, &(struct timeval){ASK_TIMEOUT_MS / 1000, 0});
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct engine_id *engine = arg;

    (void)fd;
    (void)what;
    engine->question = subrequest_cancel(engine->question);
    ask(engine);
}

void engine_id_init(struct engine_id *engine, struct event_base *base,
                    void (*on_told)(void *arg), void *arg)
{
    *engine = (struct engine_id){.base = base, .on_told = on_told, .arg = arg};
    engine->timer = event_new(base, -1, EV_TIMEOUT, on_timer, engine);
}

void engine_id_fini(struct engine_id *engine)
{
    engine_id_stop(engine);
    event_free(engine->timer);
}

void engine_id_ask(struct engine_id *engine, struct upstream *link)
{
    engine_id_stop(engine);
    engine->pool = pool_new(engine->base, link);
    ask(engine);
}

void engine_id_stop(struct engine_id *engine)
{
    engine->question = subrequest_cancel(engine->question);
    engine->pool = pool_free(engine->pool);
    event_del(engine->timer);
    engine->told = false;
}

void engine_id_rest(struct engine_id *engine)
{
    if (engine->told)
        engine->pool = pool_free(engine->pool);
}
