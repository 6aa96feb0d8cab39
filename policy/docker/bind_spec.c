#include "policy/docker/bind_spec.h"

/* Options of one kind go out together: an engine takes one of each. */
enum option_kind { ACCESS, LABEL, COPY, PROPAGATION, CONSISTENCY, KINDS };

static const struct option {
    struct str name;
    enum option_kind kind;
} options[] = {
    {STR("ro"),         ACCESS     },
    {STR("rw"),         ACCESS     },
    {STR("z"),          LABEL      },
    {STR("Z"),          LABEL      },
    {STR("nocopy"),     COPY       },
    {STR("private"),    PROPAGATION},
    {STR("rprivate"),   PROPAGATION},
    {STR("slave"),      PROPAGATION},
    {STR("rslave"),     PROPAGATION},
    {STR("shared"),     PROPAGATION},
    {STR("rshared"),    PROPAGATION},
    {STR("consistent"), CONSISTENCY},
    {STR("cached"),     CONSISTENCY},
    {STR("delegated"),  CONSISTENCY},
};

static const struct option *find(struct str name)
{
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (str_eq(name, options[i].name))
            return &options[i];
    }
    return NULL;
}

static const char *parse_options(struct bind_spec *spec)
{
    struct str rest = spec->options, word;
    bool seen[KINDS] = {false};

    while (rest.len) {
        const struct option *option;

        str_cut(rest, ',', &word, &rest);
        option = find(word);
        if (!option)
            return "has an option that no engine knows";
        if (seen[option->kind])
            return "has two options that contradict each other";
        seen[option->kind] = true;
        if (option->kind == ACCESS) {
            spec->read_only = str_eq(word, S("ro"));
            spec->read_write = !spec->read_only;
        } else if (option->kind == LABEL) {
            spec->relabel = true;
        } else if (option->kind == PROPAGATION) {
            spec->propagation = word;
        }
    }
    return NULL;
}

const char *bind_spec_parse(struct str text, struct bind_spec *spec)
{
    struct bind_spec parsed = {0};
    struct str rest;
    const char *fault;

    if (!str_cut(text, ':', &parsed.source, &rest)) {
        parsed.target = parsed.source;
        parsed.source = S("");
    } else {
        if (parsed.source.len == 0)
            return "has nothing before its colon";
        str_cut(rest, ':', &parsed.target, &parsed.options);
        if (str_find(parsed.options, ':') >= 0)
            return "has too many colons";
    }
    if (parsed.target.len == 0)
        return "has no path in the container";
    fault = parse_options(&parsed);
    if (!fault)
        *spec = parsed;
    return fault;
}
