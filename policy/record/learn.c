#include "policy/record/learn_private.h"

#include <assert.h>
#include <stdlib.h>

#include "policy/base/json_str.h"
#include "policy/docker/companion_name.h"
#include "policy/docker/image_ref.h"
#include "policy/docker/own_tag.h"
#include "policy/judge/judge.h"
#include "policy/record/audit.h"

const char learn_strictest[] =
    "{\"images\": {\"registries\": []}, \"ports\": {\"publish\": \"nowhere\"}}";

struct learner *learner_new(bool refused)
{
    static const struct environment nothing;
    struct learner *l = xcalloc(1, sizeof(*l));
    struct problems problems = {0};
    json_auto_t *root = json_loads(learn_strictest, 0, NULL);
    const struct layer layer = {.name = "strictest", .root = root};

    l->refused = refused;
    l->lacks = json_object();
    l->hopeless = json_object();
    l->made = json_object();
    l->pulled = json_object();
    settings_read(&rules_shape, &l->rules, &layer, 1, &nothing, &problems);
    assert(problems.count == 0);
    problems_fini(&problems);
    return l;
}

void learner_free(struct learner *l)
{
    if (!l)
        return;
    settings_fini(&rules_shape, &l->rules);
    json_decref(l->lacks);
    json_decref(l->hopeless);
    json_decref(l->made);
    json_decref(l->pulled);
    free(l->namespace_);
    free(l);
}

size_t learner_count(const struct learner *l)
{
    return l->count;
}

/* The image NAME, which may be an own tag, as the repository that its runner
 * means; false when it is none. */
static bool put_repository(const struct learner *l, struct str name,
                           struct strbuf *out)
{
    AUTO(strbuf_fini) struct strbuf real = STRBUF(LIMIT_PATH);
    struct image_ref ref;

    if (own_tag_read(&real, str_from(l->namespace_), name, IMAGE_FULL) == 0)
        name = strbuf_str(&real);
    return !image_ref_is_id(name) && image_ref_parse(name, &ref) == 0 &&
           strbuf_add(out, ref.name) == 0;
}

/* The policy needs WORD in RULE. */
static void note(struct learner *l, const char *rule, struct str word)
{
    AUTO(strbuf_fini) struct strbuf repository = STRBUF(LIMIT_PATH);
    json_t *words = json_object_get(l->lacks, rule);
    json_int_t times;
    char *key;

    /* images by their repository, whatever the tag */
    if (str_has_prefix(str_from(rule), S("images.")) &&
        put_repository(l, word, &repository))
        word = strbuf_str(&repository);
    if (!words)
        json_object_set_new(l->lacks, rule, words = json_object());
    key = xstr_dup(word);
    times = json_integer_value(json_object_get(words, key));
    json_object_set_new(words, key, json_integer(times + 1));
    free(key);
}

static void note_repository(const struct learner *l, json_t *names,
                            const json_t *name)
{
    AUTO(strbuf_fini) struct strbuf repository = STRBUF(LIMIT_PATH);

    if (json_is_string(name) &&
        put_repository(l, str_from(json_string_value(name)), &repository))
        json_object_set_new(names, strbuf_cstr(&repository), json_true());
}

static void note_repositories(const struct learner *l, json_t *names,
                              const json_t *value)
{
    const json_t *name;
    size_t i;

    note_repository(l, names, value);
    json_array_foreach(value, i, name) note_repository(l, names, name);
}

/* Which names the job gave itself, and which it got. */
static void note_images(struct learner *l, enum operation operation,
                        const json_t *record)
{
    const json_t *query = json_object_get(record, "query");

    if (operation == OP_IMAGE_BUILD)
        note_repositories(l, l->made, json_object_get(query, "t"));
    else if (operation == OP_IMAGE_TAG || operation == OP_IMAGE_COMMIT)
        note_repository(l, l->made, json_object_get(query, "repo"));
    else if (operation == OP_IMAGE_CREATE)
        note_repository(l, l->pulled, json_object_get(query, "fromImage"));
    note_repositories(
        l, l->made, json_object_get(json_object_get(record, "build"), "names"));
}

/* The target as it was asked, as far as it is on record. */
static void put_target(struct strbuf *out, const json_t *record)
{
    json_t *query = json_object_get(record, "query"), *value;
    const char *key;
    char mark = '?';

    strbuf_add(out, str_at(record, "path"));
    json_object_foreach(query, key, value)
    {
        size_t count = json_is_array(value) ? json_array_size(value) : 1;

        for (size_t i = 0; i < count; i++) {
            const json_t *one =
                json_is_array(value) ? json_array_get(value, i) : value;

            if (!json_is_string(one) ||
                !strcmp(json_string_value(one), "(hidden)"))
                continue;
            strbuf_add_char(out, mark);
            mark = '&';
            target_put_query(out, str_from(key));
            strbuf_add_char(out, '=');
            target_put_query(out, str_from(json_string_value(one)));
        }
    }
}

static void take_judgement(struct learner *l, const struct judgement *found)
{
    for (size_t i = 0; i < found->lack_count; i++)
        note(l, found->lacks[i].rule, str_from(found->lacks[i].word));
    for (size_t i = 0; i < found->need_count; i++) {
        const struct need *need = &found->needs[i];

        if (need->kind == NEED_IMAGE &&
            !image_ref_is_id(str_from(need->subject)))
            note(l, need->otherwise.rule, str_from(need->subject));
    }
}

/* A socket of the companion's is in a record in place of the docker.sock that
 * was asked for: it is no directory of the host, and says that the policy has
 * one.
 */
static void take_sockets(struct learner *l, json_t *body)
{
    json_t *mounts =
        json_object_get(json_object_get(body, "HostConfig"), "Mounts");

    for (size_t i = json_array_size(mounts); i-- > 0;) {
        const char *source = json_string_value(
            json_object_get(json_array_get(mounts, i), "Source"));

        if (!source || !strstr(source, "/" COMPANION_NAME))
            continue;
        note(l, "container.engine_socket", S(MOUNT_BERTH));
        json_array_remove(mounts, i);
    }
}

/* What would the strictest rules lack for it? */
static void judge_again(struct learner *l, enum operation operation,
                        const json_t *record)
{
    AUTO(strbuf_fini) struct strbuf raw = STRBUF(LIMIT_HEAD);
    AUTO(target_fini) struct target target;
    AUTO(judgement_fini) struct judgement found;
    AUTO(json_decrefp)
    json_t *body = audit_body(operation, json_object_get(record, "request"));
    struct route_match match;
    struct verdict why;

    target_init(&target);
    judgement_init(&found);
    put_target(&raw, record);
    if (target_parse(&target, strbuf_str(&raw), &why) != 0 ||
        route_find(method_find(str_at(record, "method")), &target, &match) !=
            0 ||
        match.route->operation != operation)
        return;
    take_sockets(l, body);
    judge_report(&l->rules, &match, &target, body, &found);
    take_judgement(l, &found);
}

/* What was found to be lacking when it was judged with all that was in it. */
static void take_lacks(struct learner *l, const json_t *record)
{
    json_t *lacks = json_object_get(record, "lacks"), *words, *word;
    struct str rule = str_at(record, "rule");
    const char *key;
    size_t i;

    json_object_foreach(lacks, key, words)
    {
        json_array_foreach(words, i, word)
        {
            if (json_is_string(word))
                note(l, key, str_from(json_string_value(word)));
        }
    }
    if (json_object_size(lacks) == 0 && !str_has_prefix(rule, S("operations.")))
        json_object_set_new(l->hopeless,
                            json_string_value(json_object_get(record, "rule")),
                            json_incref(json_object_get(record, "reason")));
}

void learner_take(struct learner *l, const json_t *record)
{
    enum operation operation = operation_find(str_at(record, "operation"));
    struct str verdict = str_at(record, "verdict");
    bool allowed = str_eq(verdict, S("allow"));

    if (operation == OP_NONE || verdict.len == 0 ||
        (str_eq(verdict, S("deny")) && !l->refused))
        return;
    if (str_eq(str_at(record, "event"), S("end")))
        l->count++;
    if (!l->namespace_)
        l->namespace_ = xstr_dup(str_at(record, "namespace"));
    l->seen[operation] = true;
    note_images(l, operation, record);
    if (!allowed)
        take_lacks(l, record);
    judge_again(l, operation, record);
}
