#include "policy/build/build_private.h"

/* Maps of names, and errors, in the runner's words. */

void build_restore_map(struct build_call *call, struct pb_message *message,
                       unsigned number)
{
    for (const struct pb_value *value = pb_find(message, number); value;
         value = pb_next(value)) {
        struct str text = pb_text(value->message, 2);

        pb_set_text(&call->tree, value->message, 2,
                    str_eq(pb_text(value->message, 1), S("image.name"))
                        ? build_names_out(call, text)
                        : build_text_out(call, text));
    }
}

struct str build_restore_error(struct build_call *call, struct str text)
{
    struct strbuf out = STRBUF(2 * text.len + OWN_TAG_MAX);
    struct str kept = text;

    if (build_put_text_out(call, text, &out) == 0)
        kept = pb_keep(&call->tree, strbuf_str(&out));
    strbuf_fini(&out);
    return kept;
}

/* A google.rpc.Status: the values of its details are JSON, in which names need
 * no escapes. */
void build_restore_status(struct build_call *call, struct pb_message *status)
{
    enum { STATUS_MESSAGE = 2, STATUS_DETAILS = 3, ANY_VALUE = 2 };

    if (!status)
        return;
    pb_set_text(&call->tree, status, STATUS_MESSAGE,
                build_restore_error(call, pb_text(status, STATUS_MESSAGE)));
    for (const struct pb_value *value = pb_find(status, STATUS_DETAILS); value;
         value = pb_next(value))
        pb_set_text(
            &call->tree, value->message, ANY_VALUE,
            build_restore_error(call, pb_text(value->message, ANY_VALUE)));
}

int build_error_text(struct build_call *call, struct str text,
                     struct strbuf *out)
{
    return build_put_text_out(call, text, out);
}

int build_error_details(struct build_call *call, struct str details,
                        struct strbuf *out)
{
    struct pb_message *status;
    struct pb_fault fault;
    int r = 0;

    if (pb_parse(&call->tree, &schema_status, details, PB_LENIENT, &status,
                 &fault) == 0) {
        build_restore_status(call, status);
        r = pb_put(status, out);
    }
    pb_tree_fini(&call->tree);
    return r;
}
