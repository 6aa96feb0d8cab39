/*
 * The input is "METHOD TARGET", a line break, and a body. Properties of a
 * request that is allowed, or would be if the engine said the right things:
 *
 * - every key of its body is one of Docker's, in Docker's spelling;
 * - nothing in it is what the policy denies, found here without the tables;
 * - written out, read and judged again it passes, and nothing changes.
 */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/base/json_strict.h"
#include "policy/judge/field.h"
#include "policy/judge/judge.h"
#include "tests/fuzz/fuzz.h"

/* Some of everything, so that both ways of each check are open. */
static const char document[] =
    "{\"container\": {"
    "  \"mounts\": [{\"source\": \"/work\", \"mode\": \"rw\"},"
    "               {\"source\": \"/tool\", \"mode\": \"ro\"}],"
    "  \"drop_capabilities\": [\"NET_RAW\"],"
    "  \"limits\": {\"memory\": \"1g\", \"cpus\": 2, \"pids\": 100,"
    "              \"shm\": \"32m\", \"tmpfs\": \"1m\", \"cpu_shares\": 512}},"
    " \"network\": {\"subnets\": [\"10.42.0.0/16\"]},"
    " \"images\": {\"registries\": [\"docker.io\"]}}";

static const struct rules *rules(void)
{
    static struct rules read;
    static bool ready;
    struct environment environment = {0};
    struct problems problems = {0};
    json_t *root;

    if (ready)
        return &read;
    root = json_loads(document, 0, NULL);
    settings_read(&rules_shape, &read,
                  &(struct layer){.name = "fuzz", .root = root}, 1,
                  &environment, &problems);
    assert(problems.count == 0);
    json_decref(root);
    ready = true;
    return &read;
}

static void assert_known(const struct record *record, const json_t *object);

static void assert_known_value(const struct field *field, const json_t *value)
{
    const char *key;
    json_t *item, *inner;
    size_t i;

    if (!field->of)
        return;
    if (field->type == FIELD_STRUCT) {
        assert_known(field->of, value);
        return;
    }
    json_array_foreach(value, i, item)
    {
        assert_known(field->of, item);
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, item)
    {
        if (json_is_object(item))
            assert_known(field->of, item);
        json_array_foreach(item, i, inner)
        {
            assert_known(field->of, inner);
        }
    }
}

static void assert_known(const struct record *record, const json_t *object)
{
    const char *key;
    json_t *value;

    assert(json_is_object(object));
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        const struct field *field = record_find(record, key, 0);

        assert(field && field->type != FIELD_IGNORED);
        assert(!json_is_null(value));
        assert_known_value(field, value);
    }
}

static bool is_empty(const json_t *value)
{
    return json_is_null(value) || json_is_false(value) ||
           (json_is_string(value) && json_string_length(value) == 0) ||
           (json_is_integer(value) && json_integer_value(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0) ||
           (json_is_object(value) && json_object_size(value) == 0);
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static void assert_source(const char *source, bool read_only)
{
    assert(begins(source, "/work") || begins(source, "/tool"));
    assert(source[5] == '/' || source[5] == ':' || source[5] == '\0');
    assert(!strstr(source, "/../") && !strstr(source, "//"));
    assert(!strstr(source, "docker.sock:") || strstr(source, ":/"));
    assert(!begins(source, "/tool") || read_only);
}

static void assert_bind(const char *bind)
{
    const char *options = strrchr(bind, ':');

    if (bind[0] != '/' || !options)
        return; /* a volume */
    assert_source(bind, strstr(options, "ro"));
    assert(!strstr(options, "shared") && !strstr(options, "slave"));
}

/* Key by key, at any depth, and in any spelling. */
static void assert_harmless_member(const char *key, const json_t *value)
{
    static const char *const never[] = {
        "Privileged",     "Devices",           "DeviceCgroupRules",
        "MaskedPaths",    "ReadonlyPaths",     "DeviceRequests",
        "Runtime",        "CgroupParent",      "Annotations",
        "OomKillDisable", "Ingress",           "ConfigOnly",
        "EnableIPv6",     "MacAddress",        "CheckpointDir",
        "ClusterOptions", "ClusterVolumeSpec", "Capabilities",
        "NetworkID",      "GroupAdd",          "StorageOpt",
        "CpusetCpus",     "IPv4Address",       "LinkLocalIPs",
    };
    static const char *const modes[] = {
        "PidMode",    "IpcMode",      "UTSMode",
        "UsernsMode", "CgroupnsMode", "NetworkMode",
    };
    json_t *item;
    size_t i;

    for (i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        assert(strcasecmp(key, never[i]) != 0 || is_empty(value));
    for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        assert(strcasecmp(key, modes[i]) != 0 || !json_is_string(value) ||
               (strcmp(json_string_value(value), "host") != 0 &&
                !begins(json_string_value(value), "ns:")));
    }
    if (strcasecmp(key, "Binds") == 0) {
        json_array_foreach(value, i, item)
        {
            assert_bind(json_string_value(item));
        }
    }
    if (strcasecmp(key, "CapAdd") == 0) {
        json_array_foreach(value, i, item)
        {
            assert(!strcasestr(json_string_value(item), "SYS_ADMIN"));
            assert(!strcasestr(json_string_value(item), "NET_RAW"));
        }
    }
    if (strcasecmp(key, "Memory") == 0)
        assert(json_integer_value(value) <= 1 << 30);
    if (strcasecmp(key, "DriverOpts") == 0)
        assert(!json_object_get(value, "device"));
}

/* Maps whose keys are the client's own: what they say means nothing. */
static bool is_data(const char *key)
{
    static const char *const maps[] = {
        "Labels",       "Env",
        "Cmd",          "Volumes",
        "ExposedPorts", "Sysctls",
        "Tmpfs",        "EndpointsConfig",
        "PortBindings", "AuxiliaryAddresses",
        "Config",       "Options",
        "DriverOpts",
    };

    for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
        if (strcmp(key, maps[i]) == 0)
            return true;
    }
    return false;
}

static void assert_harmless(const json_t *tree)
{
    const char *key;
    json_t *value;
    size_t i;

    json_array_foreach(tree, i, value)
    {
        assert_harmless(value);
    }
    json_object_foreach((json_t *)(uintptr_t)tree, key, value)
    {
        assert_harmless_member(key, value);
        if (!is_data(key))
            assert_harmless(value);
    }
    if (json_is_string(json_object_get(tree, "Type")) &&
        strcmp(json_string_value(json_object_get(tree, "Type")), "bind") == 0)
        assert_source(json_string_value(json_object_get(tree, "Source")),
                      json_is_true(json_object_get(tree, "ReadOnly")));
}

static bool is_fine(const struct judgement *judgement)
{
    return judgement->verdict.kind == VERDICT_ALLOW || judgement->need_count;
}

static void judge_again(const struct route_match *match, struct target *target,
                        const json_t *body, const struct judgement *first)
{
    static struct judgement second;
    struct verdict why = {0};
    json_t *again = NULL;
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

    if (text)
        assert(json_strict_parse(str_from(text), "", &again, &why) == 0);
    judge_request(rules(), match, target, again, &second);
    assert(is_fine(&second));
    assert(second.need_count == first->need_count);
    assert(second.change_count == 0 && second.changes_omitted == 0);
    assert(!body || json_equal(body, again));
    free(text);
    json_decref(again);
    judgement_fini(&second);
}

/* What is read here, jansson reads alike; and what it refuses, is refused. (It
 * overlooks what is behind a NUL.) */
static void compare_reader(struct str bytes)
{
    json_auto_t *theirs =
        json_loadb(bytes.ptr ? bytes.ptr : "", bytes.len,
                   JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    json_auto_t *ours = NULL;
    struct verdict why = {0};

    if (json_strict_parse(bytes, "", &ours, &why) == 0)
        assert(theirs && json_equal(ours, theirs));
    else
        assert(!theirs || str_find(bytes, '\0') >= 0 ||
               !strstr(why.reason, "well-formed"));
}

static void judge(enum method method, struct target *target, struct str bytes)
{
    static struct judgement judgement;
    struct route_match match;
    struct verdict why = {0};
    json_t *body = NULL;

    if (route_find(method, target, &match) != 0)
        return;
    if (bytes.len && json_strict_parse(bytes, "", &body, &why) != 0) {
        assert(why.kind == VERDICT_DENY && why.status >= 400 && why.reason[0]);
        return;
    }
    judge_request(rules(), &match, target, body, &judgement);
    if (is_fine(&judgement)) {
        if (body) {
            assert_known(body_record(match.route->operation), body);
            assert_harmless(body);
        }
        judge_again(&match, target, body, &judgement);
    } else {
        assert(judgement.verdict.status >= 400 && judgement.verdict.rule[0] &&
               judgement.verdict.reason[0]);
    }
    judgement_fini(&judgement);
    json_decref(body);
}

/* A policy that only reports lets much pass, but nothing that is not known. */
static void report(enum method method, struct target *target, struct str bytes)
{
    static struct judgement judgement;
    struct route_match match;
    struct verdict why = {0};
    json_auto_t *body = NULL;

    if (route_find(method, target, &match) != 0 ||
        (bytes.len && json_strict_parse(bytes, "", &body, &why) != 0))
        return;
    judge_report(rules(), &match, target, body, &judgement);
    judge_settle(rules(), body, &judgement);
    if (judgement.verdict.kind == VERDICT_ALLOW && body)
        assert_known(body_record(match.route->operation), body);
    judgement_fini(&judgement);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    AUTO(target_fini) struct target target;
    struct str line, body, method, raw;
    struct verdict why;

    compare_reader(str_of((const char *)bytes, len));
    target_init(&target);
    str_cut(str_of((const char *)bytes, len), '\n', &line, &body);
    str_cut(line, ' ', &method, &raw);
    compare_reader(body);
    if (target_parse(&target, raw, &why) == 0)
        judge(method_find(method), &target, body);
    if (target_parse(&target, raw, &why) == 0)
        report(method_find(method), &target, body);
    return 0;
}
