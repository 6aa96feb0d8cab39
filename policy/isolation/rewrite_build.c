#include "policy/isolation/rewrite_private.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/base/json_strict.h"
#include "policy/docker/dockerfile.h"

/*
 * A build of the classic builder. Its tags become own tags. What it leaves
 * without one (the image of a build without a tag, the last of every stage, and
 * what there was before a step failed) gets an anchor when it is over, or
 * nobody would own it. Its cache is the engine's, in which other runners' steps
 * would be found: it is told to look at the namespace's own images alone.
 */

/* ---- the request ---- */

/* What the builder may take steps from: {names}, newest first. */
enum { CACHE_IMAGES = 100 };

static void add_own_names(struct rewrite *rw, const json_t *list,
                          json_t *sources)
{
    const json_t *image, *tag;
    size_t i, n;

    json_array_foreach(list, i, image)
    {
        json_array_foreach(json_object_get(image, "RepoTags"), n, tag)
        {
            if (json_array_size(sources) < CACHE_IMAGES &&
                own_name_is_of(str_of_json(tag), rw->context.ns)) {
                json_array_append_new(sources, json_of_str(str_of_json(tag)));
                break; /* one name is enough */
            }
        }
    }
}

/* The client's own words in "cachefrom", as far as they name what it sees. */
static void add_given(struct rewrite *rw, json_t *sources)
{
    struct str text = rewrite_query(rw, S("cachefrom"));
    json_auto_t *given = NULL;
    struct verdict why;
    const json_t *name;
    size_t i;

    if (text.len == 0)
        return;
    if (json_strict_parse(text, "query cachefrom", &given, &why)) {
        rewrite_refuse(rw, 400, "%s", why.reason);
        return;
    }
    json_array_foreach(given, i, name)
    {
        struct image_look look = image_look_up(rw, str_of_json(name));

        if (look.inspected && json_array_size(sources) < CACHE_IMAGES)
            json_array_append_new(sources, json_of_str(look.id));
    }
}

/* The images that there are before the build; it is asked for once, and what
 * the engine says when the build is over has another spelling. */
static struct str images_before(void)
{
    return S("/images/json?all=1");
}

static void take_cache_from_own(struct rewrite *rw)
{
    AUTO(strbuf_fini) struct strbuf none = STRBUF(OWN_TAG_MAX);
    const struct lookup *ask = rewrite_get(rw, images_before());
    json_auto_t *sources = json_array();
    char *text;

    add_given(rw, sources);
    if (!ask)
        return;
    add_own_names(rw, ask->reply, sources);
    if (json_array_size(sources) == 0) { /* else everybody's would be taken */
        strbuf_addf(&none, "%.*s.anchor.%s/none", STR_FMT(rw->context.ns),
                    OWN_TAG_DOMAIN);
        json_array_append_new(sources, json_of_str(strbuf_str(&none)));
    }
    text = json_dumps(sources, JSON_COMPACT);
    rewrite_set_query(rw, S("cachefrom"), rewrite_keep(rw, str_from(text)));
    free(text);
}

/* "t", of which there may be several. */
static void name_it(struct rewrite *rw)
{
    struct str key = S("t");
    bool first = true;

    for (size_t i = 0; i < rw->target->query_count; i++) {
        const struct query_pair *pair = &rw->target->query[i];
        struct image_ref ref;
        struct str own;

        if (!str_eq(pair->key, key) || pair->value.len == 0)
            continue;
        if (!image_new_name(rw, pair->value, &ref))
            return;
        ref.digest = S("");
        image_ref_complete(&ref);
        own = image_own_tag(rw, &ref);
        image_keep_old(rw, &ref, S(""));
        if (first)
            rewrite_set_query(rw, key, own);
        else
            rewrite_add_query(rw, key, own);
        first = false;
    }
}

/* Labels are the image's own, but for those that only berth gives. */
static void check_labels(struct rewrite *rw)
{
    struct str text = rewrite_query(rw, S("labels"));
    json_auto_t *labels = NULL;
    struct verdict why;

    if (text.len == 0)
        return;
    if (json_strict_parse(text, "query labels", &labels, &why))
        rewrite_refuse(rw, 400, "%s", why.reason);
    else if (!json_is_object(labels) && !json_is_null(labels))
        rewrite_refuse(rw, 400, "the labels of a build are an object");
    else
        labels_refuse_ours(rw, labels);
}

/*
 * The steps of a classic build run in containers on a network: the runner's
 * own. BuildKit (version 2) knows only "default", "host" and "none".
 */
static void place_build(struct rewrite *rw, bool is_classic)
{
    struct str mode = rewrite_query(rw, S("networkmode"));

    if (!is_classic && (mode.len == 0 || str_eq(mode, S("default"))))
        return;
    rewrite_set_query(rw, S("networkmode"),
                      resolve_mode(rw, REF_NETWORK, mode));
}

static bool is_classic(const struct rewrite *rw)
{
    return !str_eq(rewrite_query(rw, S("version")), S("2"));
}

void rewrite_image_build(struct rewrite *rw)
{
    check_labels(rw);
    place_build(rw, is_classic(rw));
    if (!is_classic(rw))
        return;
    name_it(rw);
    take_cache_from_own(rw);
    /* of a quiet build, an engine does not tell what its stages left */
    rw->build.quiet = target_flag(rw->target, S("q"));
    rewrite_drop_query(rw, S("q"));
    /* containers between two steps have no label of ours: nobody could see
     * them, and nobody would remove them */
    rewrite_set_query(rw, S("rm"), S("1"));
    rewrite_set_query(rw, S("forcerm"), S("1"));
}

/* ---- what it prints ---- */

/* " ---> 0123456789ab\n" */
static struct str made_by_step(struct str text)
{
    struct str arrow = S(" ---> ");

    if (!str_has_prefix(text, arrow))
        return S("");
    text = str_from_index(text, arrow.len);
    while (text.len && isspace((unsigned char)text.ptr[text.len - 1]))
        text.len--;
    return text.len == 12 && image_ref_is_id(text) ? text : S("");
}

/* "Step 3/4 : FROM alpine" */
struct step {
    uint64_t number, total;
    struct str instruction;
};

static bool step_parse(struct str text, struct step *step)
{
    struct str word, number, total;

    if (!str_cut(text, ' ', &word, &text) || !str_eq(word, S("Step")) ||
        !str_cut(text, '/', &number, &text) ||
        !str_cut(text, ' ', &total, &text) || !str_has_prefix(text, S(": ")) ||
        str_to_u64(number, &step->number) || str_to_u64(total, &step->total))
        return false;
    step->instruction = str_from_index(text, 2);
    return true;
}

/*
 * Is it the builder that says so, and not a program that a step runs? Such a
 * one can print the next step's line, but the builder's own follows, unless the
 * build fails there (last_is_ours).
 */
static bool is_next(struct rewrite *rw, const struct step *step)
{
    if (rw->build.steps && step->total != rw->build.total)
        return false;
    if (rw->build.steps && step->number <= rw->build.steps)
        rw->build.forged = true;
    return step->number == rw->build.steps + 1 && step->number <= step->total;
}

static void note_stage(struct rewrite *rw)
{
    if (!rw->build.last[0])
        return;
    if (!rw->told)
        rw->told = json_object();
    if (json_object_size(rw->told) < LIMIT_LOOKUPS / 8)
        json_object_set_new(rw->told, rw->build.last, json_true());
    rw->build.last[0] = '\0';
}

/* A step begins: of a Dockerfile that was written anew, as its client wrote it.
 */
static void begin_step(struct rewrite *rw, const struct step *step,
                       json_t *line)
{
    struct str written =
        rw->dockerfile ? dockerfile_step(rw->dockerfile, step->number) : S("");
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_REPLY_LINE);

    rw->build.steps = step->number;
    rw->build.total = step->total;
    rw->build.is_from =
        str_eq_nocase(str_head(step->instruction, 5), S("FROM "));
    if (rw->build.is_from)
        note_stage(rw);
    memcpy(rw->build.before, rw->build.last, sizeof(rw->build.before));
    if (written.len == 0)
        return;
    strbuf_addf(&out, "Step %llu/%llu : %.*s", (unsigned long long)step->number,
                (unsigned long long)step->total, STR_FMT(written));
    json_object_set_new(line, "stream", json_of_str(strbuf_str(&out)));
}

/* A line of a quiet build: shown only if it fails. */
static bool hold_line(struct rewrite *rw, const json_t *line)
{
    struct str text = str_of_json(json_object_get(line, "stream"));

    if (json_object_get(line, "error") ||
        json_object_get(line, "errorDetail")) {
        rw->build.failed = true;
        json_decref(rw->ahead);
        rw->ahead = rw->build.held;
        rw->build.held = NULL;
        return true;
    }
    if (rw->build.failed || !json_object_get(line, "stream"))
        return rw->build.failed;
    if (!rw->build.held)
        rw->build.held = json_array();
    if (text.len <= LIMIT_BUILD_HELD_LINE)
        json_array_append_new(rw->build.held, json_deep_copy(line));
    if (json_array_size(rw->build.held) > LIMIT_BUILD_HELD_LINES)
        json_array_remove(rw->build.held, 0);
    return false;
}

static void note_error(struct rewrite *rw, const json_t *line)
{
    const char *error = json_string_value(json_object_get(line, "error"));

    if (!error || rw->build.error)
        return;
    rw->build.error = xstrdup(error);
}

bool image_build_line(struct rewrite *rw, json_t *line)
{
    struct str text = str_of_json(json_object_get(line, "stream"));
    struct str id =
        str_of_json(json_object_get(json_object_get(line, "aux"), "ID"));
    struct str tagged = S("Successfully tagged ");
    struct step step;

    if (image_ref_is_full_id(id) && !str_eq(rw->made, id))
        rw->made = rewrite_keep(rw, id);
    note_error(rw, line);
    rw->build.ran |= str_has_prefix(text, S(" ---> Running in "));
    if (step_parse(text, &step) && is_next(rw, &step)) {
        begin_step(rw, &step, line);
    } else if (made_by_step(text).len && !rw->build.is_from) {
        /* what a FROM names is not the build's */
        snprintf(rw->build.last, sizeof(rw->build.last), "%.*s",
                 STR_FMT(made_by_step(text)));
    } else if (str_has_prefix(text, tagged) && rewrite_has_namespace(rw)) {
        AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_REPLY_LINE);

        own_tag_restore_text(&out, rw->context.ns, text);
        json_object_set_new(line, "stream", json_of_str(strbuf_str(&out)));
    }
    return !rw->build.quiet || hold_line(rw, line);
}

/* IMAGE, inspected when the build was over, if that has no runner's name. */
static bool find_nameless(struct rewrite *rw, struct str id,
                          const json_t **image)
{
    return image_inspected(rw, id, image) && *image && !image_has_names(*image);
}

static void anchor(struct rewrite *rw, const json_t *image)
{
    struct str full = str_of_json(json_object_get(image, "Id"));

    image_give_name(rw, full, image_anchor(rw, full));
}

/* What the engine says that it made. */
static void anchor_made(struct rewrite *rw)
{
    const json_t *image;

    if (find_nameless(rw, rw->made, &image))
        anchor(rw, image);
}

/* The command of step NUMBER, if that is a RUN. */
static struct str command_of(const struct rewrite *rw, uint64_t number)
{
    struct str text =
        rw->dockerfile ? dockerfile_step(rw->dockerfile, number) : S("");
    struct str word, command;

    if (!str_cut(text, ' ', &word, &command) || !str_eq_nocase(word, S("RUN")))
        return S("");
    return str_trim(command);
}

/*
 * The build failed in a step, of whose begin BEFORE is. A program that failed
 * may have told of the next step before; then the error is of another command
 * than that step's.
 */
static bool last_is_ours(const struct rewrite *rw)
{
    struct str error = str_from(rw->build.error ? rw->build.error : "");
    struct str end = S("' returned a non-zero code: ");
    ssize_t at = -1;

    if (!rw->build.ran || str_has_prefix(error, S("COPY failed")) ||
        str_has_prefix(error, S("ADD failed")))
        return true;
    for (size_t i = 0; i + end.len <= error.len; i++)
        if (str_eq(str_of(error.ptr + i, end.len), end))
            at = (ssize_t)i;
    if (at < 0 || !str_has_prefix(error, S("The command '")))
        return false;
    error = str_head(error, (size_t)at);
    for (uint64_t n = 1; n <= rw->build.steps; n++) {
        struct str command = command_of(rw, n);

        /* the first that it could have been is the last that was told of? */
        if (command.len && str_has_suffix(error, command))
            return n == rw->build.steps;
    }
    return false;
}

/* It failed: what there was before. */
static void note_before(struct rewrite *rw)
{
    memcpy(rw->build.last, rw->build.before, sizeof(rw->build.last));
    if (last_is_ours(rw))
        note_stage(rw);
    else
        rw->build.forged = true;
}

/*
 * IDs that stood in lines as the builder prints for a step. A program that a
 * step runs can print such lines, too, with the ID of an image of another
 * runner's: so what was there before the build stays whose it was, and where
 * one might have, nothing is taken that is told. (What the builder took from
 * its cache is held by the namespace's images already.)
 */
static void anchor_told(struct rewrite *rw)
{
    const struct lookup *ask = rewrite_asked(rw, images_before());
    json_auto_t *before = ask ? images_by_id(ask->reply) : NULL;
    const json_t *image;
    const char *id;
    json_t *yes;

    if (!before || rw->build.forged)
        return;
    json_object_foreach(rw->told, id, yes)
    {
        if (find_nameless(rw, str_from(id), &image) &&
            !json_object_get(before,
                             json_string_value(json_object_get(image, "Id"))))
            anchor(rw, image);
    }
}

/*
 * What the build took a name from may be what it went on from. It is the
 * namespace's by what was made then, and goes with that, as with Docker; an
 * anchor would keep it.
 */
static void drop_anchors_below(struct rewrite *rw)
{
    const struct lookup *ask = rewrite_get(rw, S("/images/json?all=true"));
    json_auto_t *index = ask ? images_by_id(ask->reply) : NULL;
    const json_t *image = json_object_getn(index, rw->made.ptr, rw->made.len);

    for (size_t n = 0; image && n < LIMIT_LOOKUPS / 8; n++) {
        struct str parent = str_of_json(json_object_get(image, "ParentId"));
        struct image_names names;

        image =
            parent.len ? json_object_getn(index, parent.ptr, parent.len) : NULL;
        if (!image)
            return;
        image_names_of(rw, image, &names);
        if (names.anchored && image_names_dangle(&names))
            image_drop_anchors(rw, image);
        image_names_fini(&names);
    }
}

void finish_image_build(struct rewrite *rw)
{
    if (!is_classic(rw))
        return;
    if (rw->build.quiet && rw->made.len && !rw->build.failed && !rw->last_line)
        rw->last_line = json_pack("{s:s+}", "stream", rw->made.ptr, "\n");
    if (rw->made.len) {
        anchor_made(rw);
        drop_anchors_below(rw);
    } else {
        note_before(rw);
    }
    anchor_told(rw);
}
