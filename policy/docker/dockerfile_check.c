#include "policy/docker/dockerfile_private.h"

#include <errno.h>
#include <stdlib.h>

/*
 * What the instructions of a stage do, carried out as far as it takes to know
 * which addresses ADD fetches, and what the triggers of base images do: they
 * come unseen, and nothing in them can be written anew.
 */

/* A stage that is gone through, or was. */
struct stage_state {
    struct dockerfile_vars env; /* as it leaves them to a stage FROM it */
    bool env_is_open;
    json_t *triggers; /* array: ONBUILD of this stage */
};

struct walk {
    struct dockerfile *df;
    struct stage_state *stages;
    size_t stage;  /* the one that is gone through */
    size_t number; /* of the line, for errors */
    char escape;   /* of the text that a line is in */
    struct dockerfile_scope scope;
    struct verdict *why;
};

/* ---- ADD ---- */

static int add_url(struct walk *walk, struct str url)
{
    struct dockerfile *df = walk->df;

    if (df->url_count >= LIMIT_DOCKERFILE_URLS)
        return dockerfile_doubt(walk->why, walk->number,
                                "a Dockerfile may ADD %d addresses",
                                LIMIT_DOCKERFILE_URLS);
    if (!df->urls)
        df->urls = xcalloc(LIMIT_DOCKERFILE_URLS, sizeof(*df->urls));
    df->urls[df->url_count++] = xstr_dup(url);
    return 0;
}

static bool is_url(struct str source)
{
    static const char *const schemes[] = {"http:", "https:"};

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        struct str scheme = str_from(schemes[i]);

        if (str_eq_nocase(str_head(source, scheme.len), scheme))
            return true;
    }
    return false;
}

static int check_source(struct walk *walk, struct str source)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_DOCKERFILE_WORD);
    struct shell_env env = dockerfile_scope_env(&walk->scope);

    switch (shell_word_expand(&out, source, walk->df->lines.escape, &env)) {
    case 0:
        return is_url(strbuf_str(&out)) ? add_url(walk, strbuf_str(&out)) : 0;
    case SHELL_WORD_E_SYNTAX:
        return 0; /* the engine stops there */
    default:
        return add_url(walk, S("$"));
    }
}

static int check_add(struct walk *walk, const struct dockerfile_line *line)
{
    struct str args = line->args, word;
    json_auto_t *list = NULL;
    const json_t *item;
    size_t i;
    int r = 0;

    if (str_has_prefix(args, S("[")))
        list = json_loadb(args.ptr, args.len, JSON_ALLOW_NUL, NULL);
    if (list) {
        json_array_foreach(list, i, item)
        {
            if (r == 0 && json_is_string(item))
                r = check_source(walk, str_of(json_string_value(item),
                                              json_string_length(item)));
        }
        return r;
    }
    /* a list that only Go can read might say anything */
    if (str_has_prefix(args, S("[")) &&
        (memchr(args.ptr, '\\', args.len) || !str_is_utf8(args)))
        return add_url(walk, S("$"));
    while (r == 0 && args.len) {
        dockerfile_cut_blanks(args, &word, &args);
        r = check_source(walk, word);
    }
    return r;
}

/* ---- ENV ---- */

struct env_reader {
    struct walk *walk;
    struct shell_env env;
    struct dockerfile_vars vars;
};

static int set_env(struct env_reader *reader, struct str name, struct str text)
{
    AUTO(strbuf_fini) struct strbuf key = STRBUF(LIMIT_DOCKERFILE_WORD);
    AUTO(strbuf_fini) struct strbuf value = STRBUF(LIMIT_DOCKERFILE_WORD);
    struct walk *walk = reader->walk;
    char escape = walk->df->lines.escape; /* also in triggers */
    struct str read;
    int r;

    if (shell_word_expand(&key, name, escape, &reader->env))
        return dockerfile_doubt(walk->why, walk->number,
                                "the name of an ENV cannot be read");
    r = shell_word_expand(&value, text, escape, &reader->env);
    if (r == SHELL_WORD_E_LONG)
        return dockerfile_doubt(walk->why, walk->number,
                                "the value of an ENV may have %zu bytes",
                                LIMIT_DOCKERFILE_WORD);
    read = strbuf_str(&value);
    if (dockerfile_vars_set(&reader->vars, strbuf_str(&key), &read, r != 0))
        return dockerfile_refuse_variables(walk->why, walk->number);
    return 0;
}

static int read_env(void *arg, struct str word)
{
    struct str name, value;

    str_cut(word, '=', &name, &value);
    return set_env(arg, name, value);
}

static int first_word(void *arg, struct str word)
{
    *(bool *)arg = memchr(word.ptr, '=', word.len) != NULL;
    return 1;
}

/* ENV NAME=VALUE ..., or as of old ENV NAME VALUE */
static int check_env(struct walk *walk, const struct dockerfile_line *line)
{
    struct env_reader reader = {.walk = walk,
                                .env = dockerfile_scope_env(&walk->scope)};
    char escape = walk->escape;
    bool has_equals = false;
    int r;

    dockerfile_quoted_words(line->args, escape, first_word, &has_equals);
    if (has_equals) {
        r = dockerfile_quoted_words(line->args, escape, read_env, &reader);
    } else {
        struct str name, value;

        dockerfile_cut_blanks(line->args, &name, &value);
        r = name.len ? set_env(&reader, name, value) : 0;
    }
    if (r == 0 && dockerfile_vars_copy(&walk->scope.env, &reader.vars))
        r = dockerfile_refuse_variables(walk->why, walk->number);
    dockerfile_vars_fini(&reader.vars);
    return r;
}

static int check_arg(struct walk *walk, const struct dockerfile_line *line)
{
    struct shell_env env = dockerfile_scope_env(&walk->scope);
    struct dockerfile_vars vars = {0};
    int r = dockerfile_arg(&vars, &env, line, walk->escape, walk->why);

    if (r == 0 && dockerfile_vars_copy(&walk->scope.args, &vars))
        r = dockerfile_refuse_variables(walk->why, walk->number);
    dockerfile_vars_fini(&vars);
    return r;
}

/* ---- triggers ---- */

static int check_instruction(struct walk *walk,
                             const struct dockerfile_line *line);

static int check_trigger_copy(struct walk *walk,
                              const struct dockerfile_line *line)
{
    struct str value = S("");
    size_t flag;
    int r = dockerfile_copy_from(line, &flag, &value, walk->why);

    if (r == -ENOENT)
        return 0;
    if (r || dockerfile_is_number(value) ||
        dockerfile_find_stage(walk->df, walk->stage, value) != NO_STAGE)
        return r;
    return dockerfile_doubt(
        walk->why, walk->number,
        "an ONBUILD of the image that it builds from copies from the image "
        "%.*s; berth cannot tell whose image that will be, so the classic "
        "builder may not; build with BuildKit",
        STR_FMT(str_head(value, 128)));
}

/* TRIGGER is carried out in the current stage. */
static int check_trigger(struct walk *walk, struct str trigger)
{
    struct dockerfile_lines lines = {0};
    int r = dockerfile_lines_read(&lines, trigger, LIMIT_DOCKERFILE, walk->why);

    walk->escape = lines.escape;
    if (r == 0 &&
        (lines.count != 1 || dockerfile_line_is(&lines.lines[0], "from") ||
         dockerfile_line_is(&lines.lines[0], "onbuild")))
        r = dockerfile_doubt(walk->why, walk->number,
                             "an ONBUILD of the image that it builds from "
                             "cannot be read");
    else if (r == 0 && dockerfile_line_is(&lines.lines[0], "copy"))
        r = check_trigger_copy(walk, &lines.lines[0]);
    else if (r == 0)
        r = check_instruction(walk, &lines.lines[0]);
    walk->escape = walk->df->lines.escape;
    dockerfile_lines_fini(&lines);
    return r;
}

static int check_triggers(struct walk *walk, const json_t *triggers)
{
    const json_t *trigger;
    size_t i;
    int r = 0;

    json_array_foreach(triggers, i, trigger)
    {
        if (r == 0)
            r = check_trigger(walk, str_from(json_string_value(trigger)));
    }
    return r;
}

/* The text that the engine keeps of an ONBUILD is what is behind it. */
static void keep_trigger(struct walk *walk, const struct dockerfile_line *line)
{
    struct stage_state *stage = &walk->stages[walk->stage];
    struct str word, rest;

    dockerfile_cut_blanks(line->text, &word, &rest);
    json_array_append_new(stage->triggers, json_stringn(rest.ptr, rest.len));
}

/* ---- stages ---- */

static int set_base_env(struct walk *walk, const json_t *inspected)
{
    const json_t *config = json_object_get(inspected, "Config");
    const json_t *entry;
    size_t i;

    walk->scope.env_is_open = !inspected;
    json_array_foreach(json_object_get(config, "Env"), i, entry)
    {
        struct str name, value;

        str_cut(str_from(json_string_value(entry)), '=', &name, &value);
        if (dockerfile_vars_set(&walk->scope.env, name, &value, false))
            return dockerfile_refuse_variables(walk->why, walk->number);
    }
    return check_triggers(walk, json_object_get(config, "OnBuild"));
}

static int begin_stage(struct walk *walk,
                       const struct dockerfile_instruction *in)
{
    struct dockerfile_scope *scope = &walk->scope;
    struct dockerfile_image *image;

    dockerfile_vars_fini(&scope->args);
    dockerfile_vars_fini(&scope->env);
    scope->env_is_open = false;
    walk->stages[walk->stage].triggers = json_array();
    if (in->stage != NO_STAGE) {
        const struct stage_state *from = &walk->stages[in->stage];

        scope->env_is_open = from->env_is_open;
        if (dockerfile_vars_copy(&scope->env, &from->env))
            return dockerfile_refuse_variables(walk->why, walk->number);
        return check_triggers(walk, from->triggers);
    }
    if (in->image == NO_IMAGE)
        return 0; /* scratch */
    image = &walk->df->images[in->image];
    if (!image->sent)
        return dockerfile_doubt(walk->why, walk->number,
                                "the image %s is not known", image->name);
    return set_base_env(walk, image->inspected);
}

static void end_stage(struct walk *walk)
{
    struct stage_state *stage = &walk->stages[walk->stage];

    dockerfile_vars_copy(&stage->env, &walk->scope.env);
    stage->env_is_open = walk->scope.env_is_open;
}

static int check_instruction(struct walk *walk,
                             const struct dockerfile_line *line)
{
    if (dockerfile_line_is(line, "add"))
        return check_add(walk, line);
    if (dockerfile_line_is(line, "env"))
        return check_env(walk, line);
    if (dockerfile_line_is(line, "arg"))
        return check_arg(walk, line);
    if (dockerfile_line_is(line, "onbuild"))
        keep_trigger(walk, line);
    return 0;
}

static int check_copied(struct walk *walk,
                        const struct dockerfile_instruction *in)
{
    if (in->image != NO_IMAGE && !walk->df->images[in->image].sent)
        return dockerfile_doubt(walk->why, walk->number,
                                "the image %s is not known",
                                walk->df->images[in->image].name);
    return 0;
}

static int walk_lines(struct walk *walk)
{
    struct dockerfile *df = walk->df;
    bool begun = false;
    int r = 0;

    for (size_t i = 0; r == 0 && i < df->lines.count; i++) {
        const struct dockerfile_instruction *in = &df->instructions[i];

        if (in->is_beyond)
            break;
        walk->number = df->lines.lines[i].number;
        if (in->kind == INSTRUCTION_FROM) {
            if (begun) {
                end_stage(walk);
                walk->stage++;
            }
            begun = true;
            r = begin_stage(walk, in);
        } else if (in->kind == INSTRUCTION_COPY) {
            r = check_copied(walk, in);
        } else if (begun) {
            r = check_instruction(walk, &df->lines.lines[i]);
        }
    }
    return r;
}

int dockerfile_check(struct dockerfile *df, struct verdict *why)
{
    struct walk walk = {
        .df = df,
        .stages = xcalloc(df->stage_count, sizeof(*walk.stages)),
        .scope = {.options = df->build_args},
        .escape = df->lines.escape,
        .why = why,
    };
    int r = dockerfile_vars_copy(&walk.scope.meta, &df->scope.meta)
                ? dockerfile_refuse_variables(why, 1)
                : walk_lines(&walk);

    for (size_t i = 0; i < df->stage_count; i++) {
        dockerfile_vars_fini(&walk.stages[i].env);
        json_decref(walk.stages[i].triggers);
    }
    free(walk.stages);
    dockerfile_scope_fini(&walk.scope);
    return r;
}

size_t dockerfile_url_count(const struct dockerfile *df)
{
    return df->url_count;
}

struct str dockerfile_url(const struct dockerfile *df, size_t index)
{
    return str_from(df->urls[index]);
}
