#include "policy/isolation/rewrite_private.h"

#include <stdlib.h>

#include "policy/base/rfc3339.h"
#include "policy/isolation/push_lock.h"

/*
 * A push. Registries and engines know an image by its real name alone, which is
 * everybody's: so it is borrowed for the time of the push, under a lock that
 * all berths of an engine see (a container that is never started), and with a
 * mark beside it that keeps runners from using the name meanwhile. When the
 * reply is over, the name is given back to what it stood for, or taken away,
 * unless somebody has pulled it since. Several tags are pushed in turns, as an
 * engine pushes them (moby/moby, distribution/push_v2.go, and
 * daemon/containerd/image_push.go): the first that fails is the last.
 */

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

/* What the name stands for by now. Asked anew, whatever was asked before: an
 * engine overlooks WHY. */
static bool real_now(struct rewrite *rw, const char *why, struct str *id)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_REPLY);
    const struct lookup *ask;

    strbuf_add(&target, S("/images/"));
    target_put_segment(&target, rw->push.real);
    strbuf_addf(&target, "/json?size=0&for=%s", why);
    ask = rewrite_get(rw, strbuf_str(&target));
    *id = ask && ask->status == 200
              ? str_of_json(json_object_get(ask->reply, "Id"))
              : S("");
    return ask != NULL;
}

/* The real name, lent to image ID, stands for BEFORE as it did, or for nothing,
 * and may be used again. */
static void give_name_back(struct rewrite *rw, const char *why, struct str id,
                           struct str before)
{
    struct image_ref ref;
    struct str now;

    if (!real_now(rw, why, &now) || image_ref_parse(rw->push.real, &ref))
        return;
    if (str_eq(now, id) && before.len == 0)
        image_take_name(rw, rw->push.real);
    else if (str_eq(now, id) && !str_eq(before, id))
        image_put_back(rw, before, rw->push.real);
    image_take_name(rw, mark_of(rw, &ref));
}

/* ---- the lock ---- */

/* The lock of REAL, as a container is called. */
static struct str lock_name(struct rewrite *rw)
{
    AUTO(strbuf_fini) struct strbuf name = STRBUF(LIMIT_NAME);

    strbuf_add(&name, S(PUSH_LOCK_NAME));
    put_digits(&name, rw->push.real);
    return rewrite_keep(rw, strbuf_str(&name));
}

/* TURN tells the attempt after a lock was broken from the one before it. */
static const struct lookup *lock(struct rewrite *rw, struct str id,
                                 const char *turn)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_HEAD);
    struct str real = rw->push.real, before = rw->push.before;

    strbuf_add(&target, S("/containers/create?name="));
    target_put_query(&target, lock_name(rw));
    return rewrite_do_in_order(
        rw, METHOD_POST, rewrite_keep(rw, strbuf_str(&target)),
        json_pack("{s:s%, s:[s], s:{s:s%, s:s%, s:s%, s:s%}, s:{s:s}}", "Image",
                  id.ptr, id.len, "Cmd", turn, "Labels", LABEL_PUSH, real.ptr,
                  real.len, LABEL_PUSH_BY, rw->context.ns.ptr,
                  rw->context.ns.len, LABEL_PUSH_OF, id.ptr, id.len,
                  LABEL_PUSHED, before.ptr ? before.ptr : "", before.len,
                  "HostConfig", "NetworkMode", "none"),
        NULL);
}

/* Break a lock that counts no more: its name goes back, then it goes, by its
 * ID. */
enum lock_state { LOCK_HELD, LOCK_BREAKS /* it is being done */, LOCK_BROKEN };

static enum lock_state break_lock(struct rewrite *rw)
{
    const struct lookup *info = rewrite_get(rw, S("/info"));
    const struct lookup *held = container_inspected(rw, lock_name(rw)), *gone;
    struct push_lock was;
    struct str id;
    int64_t made, now;

    if (!info || !held)
        return LOCK_BREAKS;
    made =
        rfc3339_seconds(str_of_json(json_object_get(held->reply, "Created")));
    now = rfc3339_seconds(
        str_of_json(json_object_get(info->reply, "SystemTime")));
    if (!push_lock_is_over(made, now))
        return LOCK_HELD;
    push_lock_read(&was, json_object_get(json_object_get(held->reply, "Config"),
                                         "Labels"));
    id = str_of_json(json_object_get(held->reply, "Id"));
    give_name_back(rw, "broken", was.of, was.from);
    if (str_eq(rw->push.before, was.of))
        rw->push.before = was.from;
    gone = rewrite_do_in_order(rw, METHOD_DELETE,
                               rewrite_path_to(rw, "/containers/", id, ""),
                               NULL, NULL);
    if (!gone)
        return LOCK_BREAKS;
    return rewrite_is_done(gone) ? LOCK_BROKEN : LOCK_HELD;
}

/* Lock, mark and name, in this order. */
static void borrow(struct rewrite *rw, const struct image_ref *ref,
                   struct str id)
{
    const struct lookup *held = lock(rw, id, "none"), *marked, *named;

    if (held && held->status == 409) {
        enum lock_state other = break_lock(rw);

        if (other == LOCK_BREAKS)
            return;
        if (other == LOCK_BROKEN)
            held = lock(rw, id, "none, again");
    }
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

/* ---- all tags of a repository ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The tags of NAMES, an engine's, in the order in which it pushes them. */
static json_t *tags_in_order(const json_t *names)
{
    size_t count = json_array_size(names);
    const char **list = xcalloc(count, sizeof(*list));
    json_t *tags = json_array();

    for (size_t i = 0; i < count; i++)
        list[i] = json_string_value(json_array_get(names, i));
    qsort(list, count, sizeof(*list), compare_names);
    for (size_t i = 0; i < count; i++) {
        struct image_ref ref;

        if (image_ref_parse(str_from(list[i]), &ref) == 0)
            json_array_append_new(tags, json_of_str(ref.tag));
    }
    free(list);
    return tags;
}

/*
 * What is meant by a name without a tag: all tags that the runner has, of which
 * REF gets the one that is to be pushed now. They are found out once, as an
 * engine does. False: there are none, or they are being asked for.
 */
static bool choose_tag(struct rewrite *rw, struct image_ref *ref)
{
    json_auto_t *names = json_array(), *tags = NULL;
    size_t count;

    image_tags_of_repository(rw, ref, names);
    if (rw->missing || json_array_size(names) == 0)
        return false;
    tags = tags_in_order(names);
    count = json_array_size(tags);
    if (count > LIMIT_PUSH_TAGS) {
        rewrite_refuse(rw, 400,
                       "%.*s has %zu tags, and berth pushes %d at a time; name "
                       "one at a time",
                       STR_FMT(ref->name), count, LIMIT_PUSH_TAGS);
        return false;
    }
    ref->tag = rewrite_keep(rw, str_of_json(json_array_get(tags, 0)));
    if (count > 1)
        rw->pushes.tags = json_incref(tags);
    return ref->tag.len > 0;
}

/* Nothing follows the push that is being rewritten. */
static void push_no_more(struct rewrite *rw)
{
    rw->pushes.at = json_array_size(rw->pushes.tags);
}

bool rewrite_goes_on(struct rewrite *rw)
{
    if (!rw->pushes.tags || rw->failed || rw->push.failed || rw->last_line ||
        rw->pushes.at + 1 >= json_array_size(rw->pushes.tags))
        return false;
    rw->pushes.at++;
    lookups_fini(rw->context.lookups); /* of the one before */
    return true;
}

struct str rewrite_pushed_of_several(const struct rewrite *rw, size_t *at)
{
    *at = rw->pushes.at;
    return rw->pushes.tags ? rw->push.real : S("");
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
    if (rw->pushes.tags)
        ref.tag = str_of_json(json_array_get(rw->pushes.tags, rw->pushes.at));
    else if (tag.len)
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
        rewrite_set_query(rw, S("tag"), ref.tag);
        rw->push.real = S("");
        if (look.found == IMAGE_NONE)
            push_no_more(rw);
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

void image_push_give_back(struct rewrite *rw)
{
    if (rw->push.lock.len == 0)
        return;
    give_name_back(rw, "pushed", rw->push.id, rw->push.before);
    rewrite_do_in_order(rw, METHOD_DELETE,
                        rewrite_path_to(rw, "/containers/", rw->push.lock, ""),
                        NULL, NULL);
}

/* ---- the reply ---- */

/* "1: digest: sha256:... size: 527" */
static void note_digest(struct rewrite *rw, struct str status)
{
    struct str tag, word, rest;

    if (!str_cut(status, ' ', &tag, &rest) ||
        !str_cut(rest, ' ', &word, &rest) || !str_eq(word, S("digest:")))
        return;
    str_cut(rest, ' ', &word, &rest);
    if (image_ref_is_full_id(word))
        rw->push.digest = rewrite_keep(rw, word);
}

/* Of an image for several platforms of which not all are there, one manifest is
 * pushed instead: {"aux": {"manifestPushedInsteadOfIndex": true, ...}}. */
static void note_manifest(struct rewrite *rw, const json_t *aux)
{
    struct str of = str_of_json(
        json_object_get(json_object_get(aux, "originalIndex"), "digest"));
    struct str manifest = str_of_json(
        json_object_get(json_object_get(aux, "selectedManifest"), "digest"));

    if (json_is_true(json_object_get(aux, "manifestPushedInsteadOfIndex")) &&
        str_eq(of, rw->push.id))
        rw->push.manifest = rewrite_keep(rw, manifest);
}

bool image_push_line(struct rewrite *rw, const json_t *line)
{
    struct str status = str_of_json(json_object_get(line, "status"));

    if (json_object_get(line, "error") || json_object_get(line, "errorDetail"))
        rw->push.failed = true;
    /* by now the engine knows which image is meant */
    if (json_object_get(line, "id"))
        rw->push.resolved = true;
    note_digest(rw, status);
    note_manifest(rw, json_object_get(line, "aux"));
    /* an engine says so once, whatever number of tags there are */
    return rw->pushes.at == 0 || json_object_get(line, "id") ||
           !str_has_prefix(status, S("The push refers to repository ["));
}

/* Was DIGEST of the image that was to be pushed? IMAGE is that one, as it is
 * inspected now. */
static bool is_of_image(const struct rewrite *rw, const json_t *image)
{
    struct str digest = rw->push.digest;
    const json_t *text;
    size_t i;

    if (str_eq(digest, rw->push.id) || str_eq(digest, rw->push.manifest))
        return true;
    json_array_foreach(json_object_get(image, "RepoDigests"), i, text)
    {
        if (str_has_suffix(str_of_json(text), digest))
            return true;
    }
    return false;
}

/* Another's image under the name would have been pushed with this client's
 * credentials: it has to know. */
static void verify(struct rewrite *rw)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_REPLY);
    static const char text[] =
        "the image that was pushed is not the one that was meant: its name was "
        "moved on the engine by somebody who goes past berth; look at what the "
        "registry has now";
    const struct lookup *ask;

    if (rw->push.failed || rw->push.digest.len == 0)
        return;
    strbuf_add(&target, S("/images/"));
    target_put_segment(&target, rw->push.id);
    strbuf_add(&target, S("/json?size=1"));
    ask = rewrite_get(rw, strbuf_str(&target));
    if (!ask || is_of_image(rw, ask->reply) || rw->last_line)
        return;
    rw->last_line = json_pack("{s:{s:s}, s:s}", "errorDetail", "message", text,
                              "error", text);
}

void follow_image_push(struct rewrite *rw)
{
    if (rw->push.lock.len)
        give_name_back(rw, "pushed", rw->push.id, rw->push.before);
}

void finish_image_push(struct rewrite *rw)
{
    if (rw->push.lock.len == 0)
        return;
    verify(rw);
    image_push_give_back(rw);
}
