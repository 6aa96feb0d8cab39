#include <stdlib.h>

#include "policy/judge/check.h"

/*
 * HostConfig.LogConfig. An engine executes some of these options inside of
 * itself: a tag is a Go template, "*-regex" and "*-pattern" are regular
 * expressions; and it allocates, renames and waits by their numbers. A create
 * must not be able to end the engine or to keep it busy, so what is forbidden
 * here is forbidden where the policy only reports, too.
 */

/* What may be in "{{.}}". Its values are names and IDs of a few hundred
 * bytes; .Command, .ContainerEnv and the like are as long as a client wants. */
static const struct str tag_words[] = {
    STR("ID"),
    STR("FullID"),
    STR("Name"),
    STR("ImageID"),
    STR("ImageFullID"),
    STR("ImageName"),
    STR("DaemonName"),
    STR("ContainerID"),
    STR("ContainerName"),
    STR("ContainerImageID"),
    STR("ContainerImageName"),
};

static bool is_tag_word(struct str action)
{
    struct str word = str_trim(action);

    if (word.len == 0 || word.ptr[0] != '.')
        return false;
    word = str_from_index(word, 1);
    for (size_t i = 0; i < sizeof(tag_words) / sizeof(tag_words[0]); i++) {
        if (str_eq(word, tag_words[i]))
            return true;
    }
    return false;
}

/* Where TEXT has the two characters of BRACES ("{{") first, or -1. */
static ptrdiff_t find_braces(struct str text, const char *braces)
{
    for (size_t i = 0; i + 1 < text.len; i++) {
        if (text.ptr[i] == braces[0] && text.ptr[i + 1] == braces[1])
            return (ptrdiff_t)i;
    }
    return -1;
}

/* Plain text with at most LIMIT_LOG_ACTIONS of "{{.Word}}" in it? */
static bool template_is_plain(struct str text)
{
    unsigned actions = 0;
    ptrdiff_t at;

    if (text.len > LIMIT_LOG_TAG)
        return false;
    while ((at = find_braces(text, "{{")) >= 0) {
        text = str_from_index(text, (size_t)at + 2);
        at = find_braces(text, "}}");
        if (at < 0 || ++actions > LIMIT_LOG_ACTIONS ||
            !is_tag_word(str_head(text, (size_t)at)))
            return false;
        text = str_from_index(text, (size_t)at + 2);
    }
    return true;
}

/* Without counted repetition, which multiplies, and short, a regular expression
 * costs an engine no more than reading what it is matched against. */
static bool pattern_is_plain(struct str text)
{
    static const struct str signs = STR("_-./:,=@%+*?^$|()[]\\ ");

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
            !(c >= '0' && c <= '9') && str_find(signs, c) < 0)
            return false;
    }
    return text.len <= LIMIT_LOG_PATTERN;
}

static bool judge_text(struct judge *judge, const struct place *place,
                       struct str name, struct str value)
{
    bool is_pattern =
        str_has_suffix(name, S("regex")) || str_has_suffix(name, S("pattern"));

    if (is_pattern && !pattern_is_plain(value))
        return judge_forbid(
            judge, "container.log_options", place,
            "this is a regular expression that the engine itself runs; write "
            "one of at most %u letters, digits and signs, without \"{\"",
            LIMIT_LOG_PATTERN);
    if (!template_is_plain(value) &&
        (str_eq(name, S("tag")) || find_braces(value, "{{") >= 0))
        return judge_forbid(
            judge, "container.log_options", place,
            "this is a template that the engine itself executes; write plain "
            "text with {{.ID}}, {{.FullID}}, {{.Name}}, {{.ImageID}}, "
            "{{.ImageFullID}}, {{.ImageName}} or {{.DaemonName}} in it, %zu "
            "bytes at most",
            LIMIT_LOG_TAG);
    return true;
}

/* "10m" as the drivers read it: digits, a unit, and perhaps "b" or "ib". */
static bool parse_log_size(struct str text, uint64_t *bytes)
{
    static const struct str units = STR("kmgt");
    struct str digits = text, unit;
    unsigned shift = 0;
    size_t len = 0;
    ptrdiff_t at;

    while (len < text.len && text.ptr[len] >= '0' && text.ptr[len] <= '9')
        len++;
    digits = str_head(text, len);
    unit = str_from_index(text, len);
    if (unit.len && unit.ptr[0] == ' ')
        unit = str_from_index(unit, 1);
    if (unit.len) {
        char lower = (char)(unit.ptr[0] | 0x20);

        at = str_find(units, lower);
        if (at >= 0) {
            shift = 10 * (unsigned)(at + 1);
            unit = str_from_index(unit, 1);
        }
    }
    if (unit.len && !str_eq_nocase(unit, S("b")) &&
        !(shift && str_eq_nocase(unit, S("ib"))))
        return false;
    if (str_to_u64(digits, bytes) != 0 || *bytes > UINT64_MAX >> shift)
        return false;
    *bytes <<= shift;
    return true;
}

static bool refuse_number(struct judge *judge, const struct place *place,
                          struct str value)
{
    return judge_refuse(judge, 400, "container.log_options", place,
                        "\"%.*s\" is no number that berth can hold to a "
                        "maximum; write digits, for a size with k, m or g",
                        STR_FMT(str_head(value, 40)));
}

/* A buffer lives in the engine's own memory. */
static bool judge_buffer(struct judge *judge, const struct place *place,
                         struct str value)
{
    uint64_t limit = judge->rules->container.limits.log_buffer;
    uint64_t bytes;

    if (!parse_log_size(value, &bytes))
        return refuse_number(judge, place, value);
    return bytes <= limit ||
           judge_forbid(judge, "container.limits.log_buffer", place,
                        "a log buffer is the engine's own memory and may have "
                        "%llu bytes at most, as container.limits.log_buffer "
                        "in the policy says",
                        (unsigned long long)limit);
}

/* The files of a log: how many, and how long each. */
static bool judge_files(struct judge *judge, const struct place *place,
                        json_t *config)
{
    const struct limit_rules *limits = &judge->rules->container.limits;
    struct place size_at = place_key(place, config, "max-size");
    struct place count_at = place_key(place, config, "max-file");
    struct str size = member_text(config, "max-size");
    struct str count = member_text(config, "max-file");
    uint64_t bytes = 0, files = 1;

    if (count.len && str_to_u64(count, &files) != 0)
        return refuse_number(judge, &count_at, count);
    if (files > limits->log_files)
        return judge_forbid(judge, "container.limits.log_files", &count_at,
                            "the engine renames each file of a log whenever "
                            "one is full; a log may have %u here, as "
                            "container.limits.log_files in the policy says",
                            limits->log_files);
    if (size.len == 0)
        return true;
    if (!parse_log_size(size, &bytes))
        return refuse_number(judge, &size_at, size);
    if (bytes < LIMIT_LOG_LEAST)
        return judge_forbid(judge, "container.log_options", &size_at,
                            "files of a log that are so short keep the engine "
                            "busy; write %zuk or more",
                            LIMIT_LOG_LEAST / KIB);
    return limits->log_size == UINT64_MAX ||
           bytes <= limits->log_size / (files ? files : 1) ||
           judge_forbid(judge, "container.limits.log_size", &size_at,
                        "the files of a log may have %llu bytes together, as "
                        "container.limits.log_size in the policy says; ask for "
                        "fewer or shorter ones",
                        (unsigned long long)limits->log_size);
}

bool check_log(struct judge *judge, const struct place *place, json_t *log)
{
    json_t *config = json_object_get(log, "Config"), *value;
    struct place config_at = place_field(place, log, "Config");
    const char *key;

    json_object_foreach(config, key, value)
    {
        struct place at = place_key(&config_at, config, key);
        struct str name = str_from(key);

        if (!judge_text(judge, &at, name, json_text(value)))
            return false;
        if (str_has_suffix(name, S("buffer-size")) ||
            str_has_suffix(name, S("buffer-limit"))) {
            if (!judge_buffer(judge, &at, json_text(value)))
                return false;
        }
    }
    return judge_files(judge, &config_at, config);
}

/* ---- a log that says no size ---- */

static bool is_driver(const json_t *log, struct str engines_own,
                      struct str driver)
{
    struct str type = member_text(log, "Type");

    return str_eq(type.len ? type : engines_own, driver);
}

static void set_option(struct judge *judge, const struct place *place,
                       json_t *config, const char *key, const char *value)
{
    struct place at = place_key(place, config, key);

    json_object_set_new(config, key, json_string(value));
    judge_note(judge, CHANGE_INJECTED, &at);
}

/* json-file, and only that, lets a log without a size grow until the host's
 * disk is full. Two files, so that the last lines stay when one is full. */
static void fill_log(struct judge *judge, const struct place *place,
                     json_t *host_config, struct str engines_own)
{
    uint64_t total = judge->rules->container.defaults.log_size, files = 2;
    json_t *log = json_object_get(host_config, "LogConfig"), *config;
    struct place log_at = place_field(place, host_config, "LogConfig");
    struct place config_at;
    AUTO(strbuf_fini) struct strbuf text = STRBUF(64);

    if (total == 0 || !is_driver(log, engines_own, S("json-file")))
        return;
    if (!log) {
        log = json_object();
        json_object_set_new(host_config, "LogConfig", log);
    }
    config = json_object_get(log, "Config");
    if (!config) {
        config = json_object();
        json_object_set_new(log, "Config", config);
    }
    if (member_text(config, "max-size").len)
        return;
    config_at = place_field(&log_at, log, "Config");
    if (member_text(config, "max-file").len)
        str_to_u64(member_text(config, "max-file"), &files);
    else
        set_option(judge, &config_at, config, "max-file", "2");
    total /= files ? files : 1;
    /* in bytes: a unit would be 1000 to one driver and 1024 to another */
    strbuf_addf(&text, "%llu",
                (unsigned long long)(total > LIMIT_LOG_LEAST
                                         ? total
                                         : LIMIT_LOG_LEAST));
    set_option(judge, &config_at, config, "max-size", strbuf_cstr(&text));
}

void judge_fill_log(const struct rules *rules, const struct route_match *match,
                    json_t *body, struct str log_driver, struct judgement *out)
{
    struct judge judge = {.rules = rules, .match = match, .out = out};
    json_t *host_config = json_object_get(body, "HostConfig");
    const struct place top = {.key = ""};
    struct place at = place_field(&top, body, "HostConfig");

    if (match->route->operation == OP_CONTAINER_CREATE && host_config)
        fill_log(&judge, &at, host_config, log_driver);
}
