#include "policy/docker/dockerfile_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Refuse line NUMBER by RULE. IN_TEXT, if not NULL, has it in front. */
__attribute__((format(printf, 5, 0))) static int
refuse_line(struct verdict *why, const char *rule, size_t number,
            const char *in_text, const char *format, va_list args)
{
    char text[LIMIT_REASON], where[32];

    vsnprintf(text, sizeof(text), format, args);
    snprintf(where, sizeof(where), "line %zu", number);
    if (in_text)
        verdict_deny(why, 400, rule, where, "%s line %zu: %s", in_text, number,
                     text);
    else
        verdict_deny(why, 400, rule, where, "%s", text);
    return -EINVAL;
}

int dockerfile_refuse(struct verdict *why, size_t number, const char *format,
                      ...)
{
    va_list args;
    int r;

    va_start(args, format);
    r = refuse_line(why, DOCKERFILE_RULE, number, "dockerfile parse error on",
                    format, args);
    va_end(args);
    return r;
}

int dockerfile_fail(struct verdict *why, size_t number, const char *format, ...)
{
    va_list args;
    int r;

    va_start(args, format);
    r = refuse_line(why, DOCKERFILE_RULE, number, NULL, format, args);
    va_end(args);
    return r;
}

int dockerfile_doubt(struct verdict *why, size_t number, const char *format,
                     ...)
{
    va_list args;
    int r;

    va_start(args, format);
    r = refuse_line(why, "build.doubt", number, "in the Dockerfile,", format,
                    args);
    va_end(args);
    return r;
}

/* ---- images and stages ---- */

static int add_image(struct dockerfile *df, struct str name, size_t *index,
                     size_t number, struct verdict *why)
{
    for (*index = 0; *index < df->image_count; ++*index) {
        if (str_eq(str_from(df->images[*index].name), name))
            return 0;
    }
    if (df->image_count >= LIMIT_DOCKERFILE_IMAGES)
        return dockerfile_doubt(why, number, "a Dockerfile may name %d images",
                                LIMIT_DOCKERFILE_IMAGES);
    df->images =
        realloc(df->images, (df->image_count + 1) * sizeof(*df->images));
    if (!df->images)
        abort();
    df->images[df->image_count++] =
        (struct dockerfile_image){.name = xstr_dup(name)};
    return 0;
}

size_t dockerfile_find_stage(const struct dockerfile *df, size_t count,
                             struct str name)
{
    for (size_t i = 0; i < count; i++) {
        if (df->stages[i].name.len && str_eq_nocase(df->stages[i].name, name))
            return i;
    }
    return NO_STAGE;
}

static void add_stage(struct dockerfile *df, size_t line, struct str name)
{
    df->stages =
        realloc(df->stages, (df->stage_count + 1) * sizeof(*df->stages));
    if (!df->stages)
        abort();
    df->stages[df->stage_count++] = (struct dockerfile_stage){line, name};
}

/* ---- FROM [--platform=P] IMAGE [AS NAME] ---- */

static int check_from_flags(const struct dockerfile_line *line,
                            struct verdict *why)
{
    for (size_t i = 0; i < line->flag_count; i++) {
        struct str name, value;
        bool has_value = str_cut(line->flags[i], '=', &name, &value);

        if (!str_eq(name, S("--platform")))
            return dockerfile_refuse(why, line->number, "unknown flag: %.*s",
                                     STR_FMT(str_head(name, 64)));
        if (!has_value)
            return dockerfile_refuse(why, line->number,
                                     "missing a value on flag: --platform");
        if (i > 0)
            return dockerfile_refuse(why, line->number,
                                     "duplicate flag specified: --platform");
    }
    return 0;
}

static bool is_stage_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '-' ||
                                    c == '_' || c == '.')))
            return false;
    }
    return name.len > 0;
}

/* The words behind FROM. */
static int split_from(const struct dockerfile_line *line, struct str *base,
                      struct str *as, struct verdict *why)
{
    struct str words[3] = {0};
    size_t count = dockerfile_words(line->args, words, 3);

    *as = S("");
    if (count == 3 && str_eq_nocase(words[1], S("as"))) {
        *as = words[2];
        if (!is_stage_name(*as))
            return dockerfile_refuse(
                why, line->number,
                "invalid name for build stage: \"%.*s\", name can't start "
                "with a number or contain symbols",
                STR_FMT(str_head(*as, 128)));
    } else if (count != 1) {
        return dockerfile_refuse(why, line->number,
                                 "FROM requires either one or three arguments");
    }
    *base = words[0];
    return check_from_flags(line, why);
}

static int expand_from(struct dockerfile *df,
                       const struct dockerfile_line *line, struct str base,
                       struct strbuf *out, struct verdict *why)
{
    struct shell_env env = dockerfile_scope_meta_env(&df->scope);
    /* BASE is what its line was read into */
    // NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage)
    struct str shown = str_head(base, 128);

    switch (shell_word_expand(out, base, df->lines.escape, &env)) {
    case 0:
        break;
    case SHELL_WORD_E_SYNTAX:
        return dockerfile_refuse(why, line->number,
                                 "failed to process \"%.*s\": syntax error",
                                 STR_FMT(shown));
    case SHELL_WORD_E_UNKNOWN:
        return dockerfile_doubt(
            why, line->number,
            "FROM %.*s has a substitution that berth does not read, so that "
            "nobody knows which image is meant; use $NAME, ${NAME}, "
            "${NAME:-WORD} or ${NAME:+WORD}",
            STR_FMT(shown));
    default:
        return dockerfile_doubt(why, line->number,
                                "FROM %.*s is too long when it is expanded",
                                STR_FMT(shown));
    }
    if (out->len == 0)
        return dockerfile_fail(why, line->number,
                               "base name (%.*s) should not be blank",
                               STR_FMT(shown));
    if (!str_is_ascii(strbuf_str(out)))
        return dockerfile_doubt(why, line->number,
                                "FROM names an image that cannot exist: its "
                                "name is not ASCII");
    return 0;
}

static int read_from(struct dockerfile *df, size_t at, bool is_beyond,
                     struct verdict *why)
{
    const struct dockerfile_line *line = &df->lines.lines[at];
    struct dockerfile_instruction *in = &df->instructions[at];
    AUTO(strbuf_fini) struct strbuf name = STRBUF(LIMIT_DOCKERFILE_WORD);
    struct str base;
    int r = split_from(line, &base, &in->as, why);

    if (r)
        return r;
    in->kind = INSTRUCTION_FROM;
    in->is_beyond = is_beyond;
    if (!is_beyond) {
        r = expand_from(df, line, base, &name, why);
        if (r)
            return r;
        in->stage =
            dockerfile_find_stage(df, df->stage_count, strbuf_str(&name));
        if (in->stage == NO_STAGE && !str_eq(strbuf_str(&name), S("scratch")))
            r = add_image(df, strbuf_str(&name), &in->image, line->number, why);
    }
    add_stage(df, at, in->as);
    return r;
}

/* ---- COPY --from=IMAGE ---- */

bool dockerfile_is_number(struct str value)
{
    uint64_t number;

    if (value.len && (value.ptr[0] == '+' || value.ptr[0] == '-'))
        value = str_from_index(value, 1);
    return str_to_u64(value, &number) == 0 && number <= INT32_MAX;
}

int dockerfile_copy_from(const struct dockerfile_line *line, size_t *at,
                         struct str *value, struct verdict *why)
{
    bool found = false;

    for (size_t i = 0; i < line->flag_count; i++) {
        struct str name, text;
        bool has_value = str_cut(line->flags[i], '=', &name, &text);

        if (!str_eq(name, S("--from")))
            continue;
        if (!has_value)
            return dockerfile_refuse(why, line->number,
                                     "missing a value on flag: --from");
        if (found)
            return dockerfile_refuse(why, line->number,
                                     "duplicate flag specified: --from");
        found = true;
        *at = i;
        *value = text;
    }
    if (!found || value->len == 0)
        return -ENOENT;
    if (!str_is_ascii(*value) || memchr(value->ptr, '$', value->len))
        return dockerfile_fail(
            why, line->number,
            "invalid from flag value %.*s: invalid reference format",
            STR_FMT(str_head(*value, 128)));
    return 0;
}

static int read_copy(struct dockerfile *df, size_t at, bool is_beyond,
                     struct verdict *why)
{
    const struct dockerfile_line *line = &df->lines.lines[at];
    struct dockerfile_instruction *in = &df->instructions[at];
    struct str value = S("");
    int r = dockerfile_copy_from(line, &in->flag, &value, why);

    if (r == -ENOENT)
        return 0;
    /* its own stage is not complete: that name is an image's */
    if (r || dockerfile_is_number(value) ||
        dockerfile_find_stage(df, df->stage_count - 1, value) != NO_STAGE)
        return r;
    in->kind = INSTRUCTION_COPY;
    in->is_beyond = is_beyond;
    return is_beyond ? 0 : add_image(df, value, &in->image, line->number, why);
}

/* ---- ARG ---- */

struct arg_reader {
    struct dockerfile_vars *vars;
    const struct shell_env *env;
    size_t number;
    char escape;
    struct verdict *why;
};

int dockerfile_refuse_variables(struct verdict *why, size_t number)
{
    return dockerfile_doubt(why, number, "a Dockerfile may have %d variables",
                            LIMIT_DOCKERFILE_VARS);
}

static int read_arg(void *arg, struct str word)
{
    const struct arg_reader *reader = arg;
    AUTO(strbuf_fini) struct strbuf key = STRBUF(LIMIT_DOCKERFILE_WORD);
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_DOCKERFILE_WORD);
    struct str name, written, value = S("");
    bool has_value = str_cut(word, '=', &name, &written);
    int r = 0;

    if (shell_word_expand(&key, name, reader->escape, reader->env))
        return dockerfile_doubt(reader->why, reader->number,
                                "the name of an ARG cannot be read");
    if (has_value) {
        r = shell_word_expand(&text, written, reader->escape, reader->env);
        value = strbuf_str(&text);
    }
    if (r == SHELL_WORD_E_LONG)
        return dockerfile_doubt(reader->why, reader->number,
                                "the value of an ARG may have %zu bytes",
                                LIMIT_DOCKERFILE_WORD);
    if (dockerfile_vars_set(reader->vars, strbuf_str(&key),
                            has_value ? &value : NULL, r != 0))
        return dockerfile_refuse_variables(reader->why, reader->number);
    return 0;
}

int dockerfile_arg(struct dockerfile_vars *vars, const struct shell_env *env,
                   const struct dockerfile_line *line, char escape,
                   struct verdict *why)
{
    struct arg_reader reader = {vars, env, line->number, escape, why};

    return dockerfile_quoted_words(line->args, escape, read_arg, &reader);
}

/* An ARG above the first FROM sees those before it; a line sees none of its
 * own. */
static int read_meta_arg(struct dockerfile *df,
                         const struct dockerfile_line *line,
                         struct verdict *why)
{
    struct shell_env env = dockerfile_scope_meta_env(&df->scope);
    struct dockerfile_vars vars = {0};
    int r = dockerfile_arg(&vars, &env, line, df->lines.escape, why);

    if (r == 0 && dockerfile_vars_copy(&df->scope.meta, &vars))
        r = dockerfile_refuse_variables(why, line->number);
    dockerfile_vars_fini(&vars);
    return r;
}

/* ---- the file ---- */

/* May an engine read lines behind this one as the text of a heredoc? */
static bool has_heredoc(const struct dockerfile_line *line)
{
    struct str args = line->args;
    struct str word = line->keyword;
    bool is_json;

    if (str_eq_nocase(word, S("onbuild")))
        dockerfile_cut_blanks(args, &word, &args);
    if (!str_eq_nocase(word, S("run")) && !str_eq_nocase(word, S("copy")) &&
        !str_eq_nocase(word, S("add")))
        return false;
    /* a list of strings is none; what only looks like one is looked at */
    is_json =
        args.len >= 2 && args.ptr[0] == '[' && args.ptr[args.len - 1] == ']';
    if (is_json) {
        json_t *list = json_loadb(args.ptr, args.len, 0, NULL);

        is_json = list != NULL;
        json_decref(list);
    }
    return !is_json && shell_line_has_heredoc(line->text);
}

static int read_instruction(struct dockerfile *df, size_t at, bool *is_beyond,
                            struct str target, struct verdict *why)
{
    const struct dockerfile_line *line = &df->lines.lines[at];

    if (has_heredoc(line))
        return dockerfile_doubt(why, line->number,
                                "the classic builder has no heredocs "
                                "(\"<<EOF\"); build with BuildKit");
    if (dockerfile_line_is(line, "from")) {
        /* the stage that ends here was the one to build */
        if (df->stage_count && target.len &&
            str_eq_nocase(df->stages[df->stage_count - 1].name, target))
            *is_beyond = true;
        return read_from(df, at, *is_beyond, why);
    }
    if (df->stage_count == 0) {
        if (dockerfile_line_is(line, "arg"))
            return read_meta_arg(df, line, why);
        return dockerfile_fail(why, line->number,
                               "no build stage in current context");
    }
    if (dockerfile_line_is(line, "copy"))
        return read_copy(df, at, *is_beyond, why);
    return 0;
}

struct dockerfile *dockerfile_read(struct str text, const json_t *build_args,
                                   struct str target, struct verdict *why)
{
    struct dockerfile *df = xcalloc(1, sizeof(*df));
    bool is_beyond = false;

    df->build_args = json_deep_copy(build_args);
    df->scope.options = df->build_args;
    if (dockerfile_lines_read(&df->lines, text, LIMIT_DOCKERFILE, why))
        return dockerfile_free(df);
    df->instructions = xcalloc(df->lines.count, sizeof(*df->instructions));
    for (size_t i = 0; i < df->lines.count; i++) {
        df->instructions[i] = (struct dockerfile_instruction){
            .image = NO_IMAGE, .stage = NO_STAGE};
        if (read_instruction(df, i, &is_beyond, target, why))
            return dockerfile_free(df);
    }
    if (df->stage_count == 0) {
        verdict_deny(why, 400, DOCKERFILE_RULE, "",
                     "No image was generated. Is your Dockerfile empty?");
        return dockerfile_free(df);
    }
    return df;
}

struct dockerfile *dockerfile_free(struct dockerfile *df)
{
    if (!df)
        return NULL;
    for (size_t i = 0; i < df->image_count; i++) {
        free(df->images[i].name);
        free(df->images[i].sent);
        json_decref(df->images[i].inspected);
    }
    for (size_t i = 0; i < df->url_count; i++)
        free(df->urls[i]);
    free(df->urls);
    free(df->images);
    free(df->stages);
    free(df->instructions);
    dockerfile_lines_fini(&df->lines);
    dockerfile_scope_fini(&df->scope);
    json_decref(df->build_args);
    free(df);
    return NULL;
}

size_t dockerfile_image_count(const struct dockerfile *df)
{
    return df->image_count;
}

struct str dockerfile_image(const struct dockerfile *df, size_t index)
{
    return str_from(df->images[index].name);
}

void dockerfile_resolve(struct dockerfile *df, size_t index, struct str sent,
                        const json_t *inspected)
{
    struct dockerfile_image *image = &df->images[index];

    free(image->sent);
    json_decref(image->inspected);
    image->sent = xstr_dup(sent);
    image->inspected = json_deep_copy(inspected);
}

struct str dockerfile_step(const struct dockerfile *df, size_t number)
{
    return number >= 1 && number <= df->lines.count
               ? df->lines.lines[number - 1].text
               : S("");
}
