#include "policy/isolation/rewrite_private.h"

#include <stdlib.h>

/*
 * A push. Registries and engines know an image by its real name alone, which is
 * everybody's: so it is borrowed for the time of the push, under a lock that
 * all berths of an engine see (a container that is never started), and with a
 * mark beside it that keeps runners from using the name meanwhile. When the
 * reply is over, the name is given back to what it stood for, or taken away,
 * unless somebody has pulled it since.
 */

#define LABEL_PUSH    "berth.push"      /* the real name that is borrowed */
#define LABEL_PUSH_BY "berth.push.by"   /* the namespace */
#define LABEL_PUSH_OF "berth.push.of"   /* the image that is pushed */
#define LABEL_PUSHED  "berth.push.from" /* the image the name stood for */

/* 32 digits for TEXT. That two names share a lock would do no harm. */
static void put_digits(struct strbuf *out, struct str text)
{
    uint64_t sums[2] = {0xcbf29ce484222325, 0x84222325cbf29ce4};

    for (size_t n = 0; n < 2; n++) {
        for (size_t i = 0; i < text.len; i++)
            sums[n] = (sums[n] ^ (unsigned char)text.ptr[i]) * 0x100000001b3;
        strbuf_addf(out, "%016llx", (unsigned long long)sums[n]);
    }
}

/* ---- the lock ---- */

static const struct lookup *lock(struct rewrite *rw, struct str id)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_HEAD);
    struct str real = rw->push.real, before = rw->push.before;

    strbuf_add(&target, S("/containers/create?name=berth.push."));
    put_digits(&target, real);
    return rewrite_do(
        rw, METHOD_POST, rewrite_keep(rw, strbuf_str(&target)),
        json_pack("{s:s%, s:[s], s:{s:s%, s:s%, s:s%, s:s%}, s:{s:s}}", "Image",
                  id.ptr, id.len, "Cmd", "none", "Labels", LABEL_PUSH, real.ptr,
                  real.len, LABEL_PUSH_BY, rw->context.ns.ptr,
                  rw->context.ns.len, LABEL_PUSH_OF, id.ptr, id.len,
                  LABEL_PUSHED, before.ptr ? before.ptr : "", before.len,
                  "HostConfig", "NetworkMode", "none"),
        NULL);
}

/* ---- to the name, and back ---- */

static struct str mark_of(struct rewrite *rw, const struct image_ref *ref)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(OWN_TAG_MAX);

    own_push_mark_put(&out, ref);
    return rewrite_keep(rw, strbuf_str(&out));
}

static struct str in_full(struct rewrite *rw, const struct image_ref *ref)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(OWN_TAG_MAX);

    image_ref_put(&out, ref, IMAGE_FULL);
    return rewrite_keep(rw, strbuf_str(&out));
}

/* Lock, mark and name, in this order. */
static void borrow(struct rewrite *rw, const struct image_ref *ref,
                   struct str id)
{
    const struct lookup *held = lock(rw, id), *marked, *named;

    if (!held)
        return;
    if (held->status == 409) {
        rewrite_refuse(rw, 409,
                       "%.*s is being pushed by another runner of this engine "
                       "at the moment; try again",
                       STR_FMT(rw->push.real));
        return;
    }
    rewrite_fail(rw, held, "lock the name for the push");
    if (rewrite_is_refused(rw))
        return;
    rw->push.lock =
        rewrite_keep(rw, str_of_json(json_object_get(held->reply, "Id")));
    marked = image_give_name(rw, id, mark_of(rw, ref));
    named = image_give_name(rw, id, rw->push.real);
    if (marked)
        rewrite_fail(rw, marked, "mark the name for the push");
    if (named)
        rewrite_fail(rw, named, "take the name for the push");
}

static void set_target(struct rewrite *rw, const struct image_ref *ref)
{
    struct image_ref bare = *ref;

    bare.name = ref->name;
    bare.tag = S("");
    rewrite_set_param(rw, 0, in_full(rw, &bare));
    rewrite_set_query(rw, S("tag"), ref->tag);
}

/* Which own tag is meant by a name without one? All, but one at a time. */
static bool choose_tag(struct rewrite *rw, struct image_ref *ref)
{
    json_auto_t *tags = json_array();
    struct image_ref own;
    struct str only;

    image_tags_of_repository(rw, ref, tags);
    if (rw->missing || json_array_size(tags) == 0)
        return false;
    if (json_array_size(tags) > 1) {
        rewrite_refuse(rw, 409, "%.*s has several tags; push one at a time",
                       STR_FMT(ref->name));
        return false;
    }
    only = rewrite_keep(rw, str_of_json(json_array_get(tags, 0)));
    if (image_ref_parse(only, &own))
        return false;
    ref->tag = own.tag;
    return true;
}

void rewrite_image_push(struct rewrite *rw)
{
    struct str text = rw->match->params[0].value;
    struct str tag = rewrite_query(rw, S("tag"));
    const json_t *before;
    struct image_look look;
    struct image_ref ref;

    if (!image_new_name(rw, text, &ref))
        return;
    ref.digest = S("");
    if (tag.len)
        ref.tag = tag;
    if (ref.tag.len == 0 && !choose_tag(rw, &ref)) {
        rewrite_set_param(rw, 0, image_own_tag(rw, &ref));
        return;
    }
    rw->push.real = in_full(rw, &ref);
    look = image_look_up(rw, rw->push.real);
    if (!look.inspected) { /* the engine says that there is none */
        struct image_ref bare = ref;

        bare.name = ref.name;
        bare.tag = S("");
        rewrite_set_param(rw, 0, image_own_tag(rw, &bare));
        rw->push.real = S("");
        return;
    }
    if (!image_inspected(rw, rw->push.real, &before))
        return;
    rw->push.before = str_of_json(json_object_get(before, "Id"));
    rw->push.id = look.id;
    set_target(rw, &ref);
    if (!rw->missing)
        borrow(rw, &ref, look.id);
}

/* What the name stands for by now. Asked anew: it was asked before. */
static bool real_now(struct rewrite *rw, struct str *id)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_REPLY);
    const struct lookup *ask;

    strbuf_add(&target, S("/images/"));
    target_put_segment(&target, rw->push.real);
    strbuf_add(&target, S("/json?size=0"));
    ask = rewrite_get(rw, strbuf_str(&target));
    *id = ask && ask->status == 200
              ? str_of_json(json_object_get(ask->reply, "Id"))
              : S("");
    return ask != NULL;
}

void image_push_give_back(struct rewrite *rw)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_REPLY);
    struct image_ref ref;
    struct str now;

    if (rw->push.lock.len == 0 || !real_now(rw, &now) ||
        image_ref_parse(rw->push.real, &ref))
        return;
    if (str_eq(now, rw->push.id) && rw->push.before.len == 0)
        image_take_name(rw, rw->push.real);
    else if (str_eq(now, rw->push.id) && !str_eq(rw->push.before, rw->push.id))
        image_give_name(rw, rw->push.before, rw->push.real);
    image_take_name(rw, mark_of(rw, &ref));
    strbuf_add(&target, S("/containers/"));
    target_put_segment(&target, rw->push.lock);
    rewrite_do(rw, METHOD_DELETE, rewrite_keep(rw, strbuf_str(&target)), NULL,
               NULL);
}

void finish_image_push(struct rewrite *rw)
{
    image_push_give_back(rw);
}
