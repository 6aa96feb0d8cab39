#include "proxy/exchange/request_share_private.h"

#include "policy/docker/namespace.h"

/* What the engine is asked for a count, and what its answers say. */

static int put_list(struct strbuf *out, const char *path, struct str ns)
{
    int r = strbuf_addf(out, "%s", path);

    if (r == 0 && ns.len)
        r = strbuf_addf(
            out,
            "%sfilters=%%7B%%22label%%22%%3A%%5B%%22" LABEL_NAMESPACE
            "%%3D%.*s%%22%%5D%%7D",
            str_find(str_from(path), '?') < 0 ? "?" : "&", STR_FMT(ns));
    return r;
}

static int put_inspect(struct strbuf *out, const char *path, struct str name)
{
    int r = strbuf_addf(out, "%s", path);

    if (r == 0)
        r = target_put_segment(out, name);
    return r ? r : strbuf_add(out, S("/json"));
}

static int put_question(const struct share_request *request,
                        enum share_question question, struct strbuf *out)
{
    struct str ns = share_namespace(request);
    const json_t *image = json_object_get(request->body, "Image");

    switch (question) {
    case SHARE_ASK_CONTAINERS:
        return put_list(out, "/containers/json?all=1", ns);
    case SHARE_ASK_NETWORKS:
        return put_list(out, "/networks", ns);
    case SHARE_ASK_VOLUMES:
        return put_list(out, "/volumes", ns);
    case SHARE_ASK_CONTAINER:
        return put_inspect(out, "/containers/",
                           request->match->params[0].value);
    case SHARE_ASK_IMAGES:
        return strbuf_add(out, S("/images/json"));
    case SHARE_ASK_IMAGE:
        break;
    }
    return put_inspect(
        out, "/images/",
        str_of(json_string_value(image), json_string_length(image)));
}

bool request_share_put_question(const struct request_share *share,
                                const struct share_request *request,
                                size_t index, struct strbuf *out)
{
    unsigned open = share->open;

    for (; index && open; index--)
        open &= open - 1;
    return open &&
           put_question(request, (enum share_question)(open & -open), out) == 0;
}

static void note_label(struct request_share *share, const json_t *labels)
{
    const json_t *text = json_object_get(labels, LABEL_TAKES);

    share->takes_known = share_read_label(
        str_of(json_string_value(text), json_string_length(text)),
        &share->takes);
}

static void take_containers(struct request_share *share,
                            const struct share_request *request,
                            const json_t *reply)
{
    const struct route_match *match = request->match;
    struct str ref = match->param_count ? match->params[0].value : S("");
    const json_t *row;

    share_count_containers(share_namespace(request), reply, ref, &share->used,
                           &row);
    share->found = row != NULL;
    note_label(share, json_object_get(row, "Labels"));
    share->running = row && share_is_running(row);
}

static void take_container(struct request_share *share, const json_t *reply)
{
    share->found = reply != NULL;
    note_label(share,
               json_object_get(json_object_get(reply, "Config"), "Labels"));
    share->used.of[SHARE_EXECS] =
        json_array_size(json_object_get(reply, "ExecIDs"));
}

/* What is not there (404) is the engine's to tell. */
void share_take_answer(struct request_share *share,
                       const struct share_request *request, json_t *reply)
{
    switch ((enum share_question)share_first_open(share)) {
    case SHARE_ASK_CONTAINERS:
        take_containers(share, request, reply);
        break;
    case SHARE_ASK_NETWORKS:
        share_count_networks(share_namespace(request), reply, &share->used);
        break;
    case SHARE_ASK_VOLUMES:
        share_count_volumes(share_namespace(request), reply, request->body,
                            share_operation(request), &share->used,
                            &share->volumes);
        break;
    case SHARE_ASK_CONTAINER:
        take_container(share, reply);
        break;
    case SHARE_ASK_IMAGES:
        share_count_images(share_namespace(request), reply, &share->used);
        break;
    case SHARE_ASK_IMAGE:
        json_decref(share->exposed);
        share->exposed = json_incref(
            json_object_get(json_object_get(reply, "Config"), "ExposedPorts"));
        break;
    }
}
