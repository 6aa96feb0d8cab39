#include "policy/isolation/rewrite_private.h"

#include <ctype.h>

/*
 * Replies, by the same tables: what is not the runner's goes, names lose their
 * namespace, our labels and additions are hidden.
 */

struct reply {
    struct rewrite *rw;
    enum operation operation;
    bool foreign; /* the one thing that it shows is not the runner's */
};

/* ---- whole things ---- */

static bool filters_take(const struct rewrite *rw, enum filter_field field,
                         struct str text)
{
    return filters_match(rw, field, &text, 1);
}

static struct str with_slash(struct rewrite *rw, struct str name)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_REPLY);

    strbuf_add_char(&out, '/');
    strbuf_add(&out, name);
    return rewrite_keep(rw, strbuf_str(&out));
}

/* Do the filters that the client has on names take this container? Its names
 * are tried with and without their slash. */
static bool container_is_wanted(struct rewrite *rw, const json_t *container)
{
    const json_t *names = json_object_get(container, "Names"), *name;
    struct str texts[2 * 32];
    size_t i, count = 0;

    if (!filters_take(rw, FILTER_PREFIX,
                      str_of_json(json_object_get(container, "Id"))))
        return false;
    json_array_foreach(names, i, name)
    {
        struct str text = namespace_strip(rw->context.ns,
                                          str_from_index(str_of_json(name), 1));

        if (count == sizeof(texts) / sizeof(*texts))
            break;
        texts[count++] = text;
        texts[count++] = with_slash(rw, text);
    }
    return filters_match(rw, FILTER_NAME, texts, count);
}

/* Once its ports are the runner's. */
static bool publishes_wanted(const struct rewrite *rw, const json_t *container)
{
    for (size_t i = 0; i < rw->filter_count; i++) {
        if (rw->filters[i].field == FILTER_PUBLISH &&
            !ports_match(rw->filters[i].values, container))
            return false;
    }
    return true;
}

static bool container_element(struct reply *reply, json_t *container)
{
    bool inspected = reply->operation == OP_CONTAINER_INSPECT;

    if (!container_is_own(reply->rw, container))
        return false;
    own_ids_note(reply->rw, REF_CONTAINER,
                 str_of_json(json_object_get(container, "Id")));
    if (!inspected && !container_is_wanted(reply->rw, container))
        return false;
    container_restore(reply->rw, container, inspected);
    return inspected || publishes_wanted(reply->rw, container);
}

static bool network_element(struct reply *reply, json_t *network)
{
    const struct rewrite *rw = reply->rw;
    struct str name = str_of_json(json_object_get(network, "Name"));
    struct str id = str_of_json(json_object_get(network, "Id"));
    bool engine_bridge =
        rw->shows_engine_bridge && str_eq(name, S(BRIDGE_NAME));
    bool shared =
        engine_bridge || str_eq(name, S("host")) || str_eq(name, S("none"));
    bool own = labels_are_own(rw, json_object_get(network, "Labels")) &&
               namespace_has(rw->context.ns, name);

    if (!own && !shared)
        return false;
    if (own)
        own_ids_note(reply->rw, REF_NETWORK, id);
    if (engine_bridge || is_own_bridge(rw, name))
        own_bridge_show_gateway(rw, network);
    if (reply->operation != OP_NETWORK_LIST)
        return true;
    return filters_take(rw, FILTER_NAME,
                        namespace_strip(rw->context.ns, name)) &&
           filters_take(rw, FILTER_ID, id) &&
           filters_take(rw, FILTER_TYPE,
                        shared || is_own_bridge(rw, name) ? S("builtin")
                                                          : S("custom"));
}

static bool volume_element(struct reply *reply, json_t *volume)
{
    struct rewrite *rw = reply->rw;
    struct str name = str_of_json(json_object_get(volume, "Name"));

    /* the engine gave the name: then the label tells, else the name alone */
    if (is_full_id(name)
            ? !labels_are_own(rw, json_object_get(volume, "Labels"))
            : !namespace_has(rw->context.ns, name))
        return false;
    if (is_full_id(name))
        own_ids_note(rw, REF_VOLUME, name);
    return filters_take(rw, FILTER_NAME, namespace_strip(rw->context.ns, name));
}

static bool image_element(struct reply *reply, json_t *image)
{
    return reply->operation == OP_IMAGE_INSPECT
               ? image_inspect_restore(reply->rw, image)
               : image_restore(reply->rw, image, true);
}

static bool reply_element(void *arg, const struct document *document,
                          json_t *element)
{
    struct reply *reply = arg;
    bool shown = true;

    if (document->kind == REF_CONTAINER)
        shown = container_element(reply, element);
    else if (document->kind == REF_NETWORK)
        shown = network_element(reply, element);
    else if (document->kind == REF_VOLUME)
        shown = volume_element(reply, element);
    else if (document->kind == REF_IMAGE)
        shown = image_element(reply, element);
    if (!shown && document->at[0] == '\0')
        reply->foreign = true;
    return shown;
}

/* ---- single places ---- */

/* "/name" and "name" alike. */
static json_t *stripped(const struct rewrite *rw, struct str name)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_REPLY);

    if (name.len && name.ptr[0] == '/') {
        strbuf_add_char(&out, '/');
        name = str_from_index(name, 1);
    }
    strbuf_add(&out, namespace_strip(rw->context.ns, name));
    return json_of_str(strbuf_str(&out));
}

static json_t *stripped_text(const struct rewrite *rw, struct str text)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_REPLY);

    namespace_strip_text(&out, rw->context.ns, text);
    return json_of_str(strbuf_str(&out));
}

static json_t *sentence(struct rewrite *rw, struct str text)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_REPLY);

    rewrite_text(rw, text, &out);
    return json_of_str(strbuf_str(&out));
}

/* What a build prints is the runner's own, and no sentence of the engine's. */
static bool is_output(const struct reply *reply, const struct spot *spot)
{
    return reply->operation == OP_IMAGE_BUILD && spot->key &&
           (strcmp(spot->key, "stream") == 0 ||
            strcmp(spot->key, "status") == 0);
}

/* "/var/lib/docker/volumes/<namespace>.cache/_data" */
static json_t *stripped_path(const struct rewrite *rw, struct str path)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_REPLY);
    struct str rest = path, part;

    for (bool more = true; more;) {
        more = str_cut(rest, '/', &part, &rest);
        strbuf_add(&out, namespace_strip(rw->context.ns, part));
        if (more)
            strbuf_add_char(&out, '/');
    }
    return json_of_str(strbuf_str(&out));
}

/* A prune tells of what it removed: of ours only, and not of the bridge. */
static bool is_shown_as_removed(const struct rewrite *rw, struct str name)
{
    return (namespace_has(rw->context.ns, name) || is_full_id(name)) &&
           !is_own_bridge(rw, name);
}

static void strip_keys(const struct rewrite *rw, const struct reference *row,
                       struct spot *spot)
{
    json_t *kept = json_object();
    const char *key;
    json_t *value;

    json_object_foreach(spot->value, key, value)
    {
        struct str name = namespace_strip(rw->context.ns, str_from(key));

        if (row->kind == REF_CONTAINER &&
            !namespace_has(rw->context.ns,
                           str_of_json(json_object_get(value, "Name"))))
            continue; /* another's, on a network of all */
        json_object_setn(kept, name.ptr, name.len, value);
    }
    spot_set(spot, kept);
}

static void hide_labels(const struct reply *reply, struct spot *spot)
{
    struct str why = str_of_json(json_object_get(spot->value, LABEL_ADDED));
    /* images without labels have null, and volumes that were given none */
    bool was_null = operation_group(reply->operation) == GROUP_IMAGE ||
                    (why.len && !str_eq(why, S(BRIDGE_NAME)));

    labels_hide(spot->value);
    if (was_null && json_is_object(spot->value) &&
        json_object_size(spot->value) == 0)
        spot_set(spot, json_null());
}

static void mask(const struct reply *reply, struct spot *spot)
{
    if (json_is_string(spot->value))
        spot_set(spot, json_string(""));
    else if (json_is_integer(spot->value) && reply->operation == OP_IMAGE_LIST)
        spot_set(spot, json_integer(-1)); /* not counted */
}

static bool is_prune(enum operation operation)
{
    return operation == OP_NETWORK_PRUNE || operation == OP_VOLUME_PRUNE;
}

static void restore_image_name(const struct rewrite *rw, struct spot *spot)
{
    json_t *name = image_name_restored(rw, str_of_json(spot->value));

    if (name)
        spot_set(spot, name);
}

static bool text_place(const struct reply *reply, const struct reference *row,
                       struct spot *spot)
{
    struct rewrite *rw = reply->rw;
    struct str text = str_of_json(spot->value);
    struct str type = str_of_json(json_object_get(spot->owner, "Type"));

    switch (row->form) {
    case FORM_NAME:
        if (is_prune(reply->operation) && !is_shown_as_removed(rw, text))
            return false;
        spot_set(spot, stripped(rw, text));
        break;
    case FORM_FROM:
        spot_set(spot, stripped(rw, text));
        break;
    case FORM_BIND: /* what begins with a slash is a path */
        spot_set(spot, json_of_str(namespace_strip(rw->context.ns, text)));
        break;
    case FORM_REF:
    case FORM_MODE:
        if (row->kind == REF_IMAGE)
            restore_image_name(rw, spot);
        else
            spot_set(spot, stripped_text(rw, text));
        break;
    case FORM_MOUNT:
        if (str_eq(type, S("volume")))
            spot_set(spot, json_of_str(namespace_strip(rw->context.ns, text)));
        break;
    case FORM_PATH:
        if (type.len == 0 || str_eq(type, S("volume")))
            spot_set(spot, stripped_path(rw, text));
        break;
    case FORM_LINK:
        spot_set(spot, stripped_text(rw, text));
        break;
    case FORM_TEXT:
        if (!is_output(reply, spot))
            spot_set(spot, sentence(rw, text));
        break;
    case FORM_ID:
    case FORM_KEYS:
    case FORM_LABELS:
    case FORM_ALIASES:
    case FORM_OURS:
    case FORM_HOST:
        break;
    }
    return true;
}

static bool reply_place(void *arg, const struct reference *row,
                        struct spot *spot)
{
    struct reply *reply = arg;

    if (row->form == FORM_KEYS && json_is_object(spot->value))
        strip_keys(reply->rw, row, spot);
    else if (row->form == FORM_LABELS)
        hide_labels(reply, spot);
    else if (row->form == FORM_HOST)
        mask(reply, spot);
    else if (row->form == FORM_ID && row->kind == REF_CONTAINER && !spot->key &&
             json_is_string(spot->value))
        return own_ids_known(reply->rw, REF_CONTAINER,
                             str_of_json(spot->value));
    else if (json_is_string(spot->value))
        return text_place(reply, row, spot);
    return true;
}

static bool walk_reply(struct rewrite *rw, json_t *json)
{
    struct reply reply = {.rw = rw, .operation = rw->match->route->operation};
    const struct reference_visitor visitor = {
        .element = reply_element, .place = reply_place, .arg = &reply};

    reference_walk(reply.operation, IN_REPLY, json, &visitor);
    return !reply.foreign;
}

/* ---- errors ---- */

static int rewrite_error(struct rewrite *rw, json_t *error)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_REPLY);
    const json_t *message = json_object_get(error, "message");

    if (!json_is_string(message))
        return REWRITE_E_REPLY;
    rewrite_text(rw, str_of_json(message), &out);
    json_object_set_new(error, "message", json_of_str(strbuf_str(&out)));
    return 0;
}

/* ---- replies ---- */

/* What is made through berth is known to be the namespace's. */
static void note_created(struct rewrite *rw, const json_t *reply)
{
    struct str id = str_of_json(json_object_get(reply, "Id"));
    enum operation operation = rw->match->route->operation;

    if (operation == OP_CONTAINER_CREATE) {
        own_ids_note(rw, REF_CONTAINER, id);
        if (!rw->publishes && rw->context.owned)
            own_ids_note_portless(rw->context.owned, id);
        ports_created(rw, id);
    } else if (operation == OP_CONTAINER_EXEC)
        own_ids_note(rw, REF_EXEC, id);
    else if (operation == OP_NETWORK_CREATE)
        own_ids_note(rw, REF_NETWORK, id);
}

/* A list where one is due, and nothing else. */
static bool is_of_type(enum operation operation, const json_t *reply)
{
    for (size_t i = 0; i < document_count; i++) {
        if (documents[i].operation == operation &&
            documents[i].side == IN_REPLY)
            return strncmp(documents[i].at, "[]", 2) == 0
                       ? json_is_array(reply) || json_is_null(reply)
                       : json_is_object(reply);
    }
    return true;
}

static const json_t *images_of_usage(const json_t *usage)
{
    const json_t *images = json_object_get(usage, "Images");

    return images
               ? images
               : json_object_get(json_object_get(usage, "ImageUsage"), "Items");
}

/* What no table can say of single places. */
static void restore_operation(struct rewrite *rw, enum operation operation,
                              json_t *reply)
{
    if (operation == OP_SYSTEM_INFO)
        info_restore(rw, reply);
    else if (operation == OP_SYSTEM_DISK_USAGE)
        disk_usage_restore(reply);
    else if (operation == OP_IMAGE_HISTORY)
        history_restore(rw, reply);
    else if (operation == OP_EXEC_INSPECT)
        files_tell_exec(rw, reply);
    else if (operation == OP_CONTAINER_WAIT)
        files_tell_wait(rw, reply);
}

int rewrite_reply(struct rewrite *rw, int status, json_t *reply)
{
    enum operation operation = rw->match->route->operation;

    if (status >= 400)
        return rewrite_error(rw, reply);
    if (!is_of_type(operation, reply))
        return REWRITE_E_REPLY;
    if (operation == OP_NETWORK_LIST)
        rw->shows_engine_bridge = !networks_have_own_bridge(rw, reply);
    note_created(rw, reply);
    if (operation == OP_IMAGE_LIST)
        image_list_begin(rw, reply);
    else if (operation == OP_SYSTEM_DISK_USAGE)
        image_list_begin(rw, images_of_usage(reply));
    if (!walk_reply(rw, reply))
        return REWRITE_E_REPLY;
    restore_operation(rw, operation, reply);
    if (rw->has_limit && operation == OP_CONTAINER_LIST) {
        while (json_array_size(reply) > rw->limit)
            json_array_remove(reply, json_array_size(reply) - 1);
    }
    return 0;
}

int rewrite_line(struct rewrite *rw, json_t *line, bool *show)
{
    enum operation operation = rw->match->route->operation;
    bool ends = operation == OP_SYSTEM_EVENTS && event_ends_copied(rw, line);

    *show = true;
    if (!json_is_object(line))
        return REWRITE_E_REPLY;
    if (operation == OP_SYSTEM_EVENTS && !event_is_own(rw, line)) {
        *show = false;
        return 0;
    }
    if (operation == OP_SYSTEM_EVENTS)
        event_restore(rw, line);
    else if (operation == OP_IMAGE_CREATE)
        image_create_line(rw, line);
    else if (operation == OP_IMAGE_PUSH)
        *show = image_push_line(rw, line);
    else if (operation == OP_IMAGE_LOAD)
        image_load_line(rw, line);
    else if (operation == OP_IMAGE_BUILD)
        *show = image_build_line(rw, line);
    walk_reply(rw, line);
    if (operation == OP_SYSTEM_EVENTS)
        *show = event_is_wanted(rw, line);
    if (*show && ends) {
        json_decref(rw->behind);
        rw->behind = json_incref(line);
        rw->brings = true;
        *show = false;
    }
    return 0;
}

bool rewrite_wants_reply(enum operation operation, int status)
{
    if (status >= 400 || operation == OP_CONTAINER_EXEC ||
        operation == OP_IMAGE_GET || operation == OP_IMAGE_GET_ALL)
        return true;
    for (size_t i = 0; i < document_count; i++) {
        if (documents[i].operation == operation &&
            documents[i].side == IN_REPLY)
            return true;
    }
    return false;
}
