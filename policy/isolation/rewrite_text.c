#include "policy/isolation/rewrite_private.h"

#include <errno.h>

/* The words of an engine, as errors and progress have them. */

enum { ID_SHORT = 12 }; /* as many digits of an ID as engines show */

/* Append TEXT with FROM replaced by TO. */
static int replace(struct strbuf *out, struct str text, struct str from,
                   struct str to)
{
    int r = 0;

    while (r == 0 && text.len) {
        bool here = from.len && str_has_prefix(text, from);

        r = strbuf_add(out, here ? to : str_head(text, 1));
        text = str_from_index(text, here ? from.len : 1);
    }
    return r;
}

/* What is sent in another's place never shows. */
static void restore_words(const struct rewrite *rw, struct strbuf *text)
{
    const char *sent;
    json_t *written;

    json_object_foreach(rw->stand_ins, sent, written)
    {
        AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_REPLY);

        replace(&out, strbuf_str(text), str_from(sent), str_of_json(written));
        strbuf_clear(text);
        strbuf_add(text, strbuf_str(&out));
    }
}

/* Is this the ID of a container of ours, or its beginning? */
static bool is_own_container(const struct rewrite *rw, struct str id)
{
    return rw->context.owned &&
           own_ids_begins(rw->context.owned, REF_CONTAINER, id);
}

/* Star out the IDs behind the word BEFORE that are not known to be ours. */
static void hide_ids(const struct rewrite *rw, struct str before,
                     struct strbuf *text)
{
    for (size_t i = 0; i < text->len;) {
        size_t n = 0;

        while (i + n < text->len && is_hex_word(str_of(text->ptr + i + n, 1)))
            n++;
        if (n >= ID_SHORT && str_has_suffix(str_of(text->ptr, i), before) &&
            !is_own_container(rw, str_of(text->ptr + i, n)))
            memset(text->ptr + i, '*', n);
        i += n ? n : 1;
    }
}

/* Where engines tell IDs of things that may be anybody's. */
static void hide_neighbours(const struct rewrite *rw, enum operation operation,
                            struct strbuf *text)
{
    if (operation == OP_NETWORK_CREATE) /* of one with the same subnet */
        hide_ids(rw, S(""), text);
    else if (operation == OP_IMAGE_DELETE) /* of what was made from it */
        hide_ids(rw, S("container "), text);
}

static bool has_words(struct str text, struct str words)
{
    return memmem(text.ptr, text.len, words.ptr, words.len) != NULL;
}

/*
 * A part of a volume that is not there, where the volume is none of the
 * namespace's but stands for a bind: the engine names it by its path on the
 * host, and says what is there instead.
 */
static void hide_volume(const struct rewrite *rw, enum operation operation,
                        struct strbuf *text)
{
    struct str words = strbuf_str(text), name, rest;
    const char *at = memmem(words.ptr, words.len, "/volumes/", 9);

    if ((operation != OP_CONTAINER_START &&
         operation != OP_CONTAINER_RESTART) ||
        !at ||
        !(has_words(words, S("cannot access path ")) ||
          has_words(words, S("escapes the base directory")) ||
          has_words(words, S("failed to mount local volume"))))
        return;
    str_cut(str_from_index(words, (size_t)(at - words.ptr) + 9), '/', &name,
            &rest);
    if (namespace_has(rw->context.ns, name) || is_full_id(name))
        return;
    strbuf_clear(text);
    strbuf_add(text, S("bind source path does not exist: one of those that "
                       "this container mounts is not there, or a symbolic link "
                       "leads out of what may be mounted"));
}

int rewrite_text(struct rewrite *rw, struct str text, struct strbuf *out)
{
    enum operation operation = rw->match->route->operation;
    AUTO(strbuf_fini) struct strbuf words = STRBUF(LIMIT_REPLY);
    AUTO(strbuf_fini) struct strbuf named = STRBUF(LIMIT_REPLY);

    strbuf_add(&words, text);
    restore_words(rw, &words);
    hide_neighbours(rw, operation, &words);
    hide_volume(rw, operation, &words);
    if (!rewrite_has_namespace(rw))
        return strbuf_add(out, strbuf_str(&words));
    if (own_tag_restore_text(&named, rw->context.ns, strbuf_str(&words)))
        return -ENOBUFS;
    /* names of images have no namespace in front, but may look like it */
    if (operation_group(operation) == GROUP_IMAGE &&
        operation != OP_IMAGE_COMMIT)
        return strbuf_add(out, strbuf_str(&named));
    return namespace_strip_text(out, rw->context.ns, strbuf_str(&named));
}
