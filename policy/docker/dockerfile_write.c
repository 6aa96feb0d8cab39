#include "policy/docker/dockerfile_private.h"

#include <errno.h>

#include "policy/docker/shell_word.h"

/* Nothing in FLAG that the way it is read could change. */
static bool is_plain(struct str flag)
{
    for (size_t i = 0; i < flag.len; i++) {
        char c = flag.ptr[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              (c >= '0' && c <= '9') || (c && strchr("-_=./:,@+${}%~", c))))
            return false;
    }
    return true;
}

static int put_flag(struct strbuf *out, struct str flag)
{
    if (!is_plain(flag))
        return -EINVAL;
    if (strbuf_add_char(out, ' ') || strbuf_add(out, flag))
        return -ENOBUFS;
    return 0;
}

static struct str sent_image(const struct dockerfile *df, size_t image,
                             struct str otherwise)
{
    return image == NO_IMAGE ? otherwise : str_from(df->images[image].sent);
}

static int put_from(const struct dockerfile *df, size_t at, struct strbuf *out)
{
    const struct dockerfile_line *line = &df->lines.lines[at];
    const struct dockerfile_instruction *in = &df->instructions[at];
    struct str base = sent_image(df, in->image, S("scratch"));
    int r = strbuf_add(out, S("FROM"));

    if (in->stage != NO_STAGE)
        base = df->stages[in->stage].name;
    for (size_t i = 0; r == 0 && i < line->flag_count; i++)
        r = put_flag(out, line->flags[i]);
    if (r == 0)
        r = strbuf_addf(out, " %.*s", STR_FMT(base));
    if (r == 0 && in->as.len)
        r = strbuf_addf(out, " AS %.*s", STR_FMT(in->as));
    return r;
}

static int put_copy(const struct dockerfile *df, size_t at, struct strbuf *out)
{
    const struct dockerfile_line *line = &df->lines.lines[at];
    const struct dockerfile_instruction *in = &df->instructions[at];
    struct str from = sent_image(df, in->image, S("0"));
    int r = strbuf_addf(out, "COPY --from=%.*s", STR_FMT(from));

    for (size_t i = 0; r == 0 && i < line->flag_count; i++) {
        if (i != in->flag)
            r = put_flag(out, line->flags[i]);
    }
    /* "--" ends the flags, whatever the first source is called */
    if (r == 0 && str_has_prefix(line->args, S("--")))
        r = strbuf_add(out, S(" --"));
    if (r == 0 && line->args.len)
        r = strbuf_addf(out, " %.*s", STR_FMT(line->args));
    return r;
}

static int put_instruction(const struct dockerfile *df, size_t at,
                           struct strbuf *out)
{
    switch (df->instructions[at].kind) {
    case INSTRUCTION_FROM:
        return put_from(df, at, out);
    case INSTRUCTION_COPY:
        return put_copy(df, at, out);
    case INSTRUCTION_PLAIN:
        break;
    }
    return strbuf_add(out, df->lines.lines[at].text);
}

/*
 * Is what was written read as what was meant? LINES of it and those of the
 * original agree in number, place and keyword, and in all else where nothing
 * was to change.
 */
static bool is_same(const struct dockerfile *df,
                    const struct dockerfile_lines *written)
{
    if (written->count != df->lines.count ||
        written->escape != df->lines.escape)
        return false;
    for (size_t i = 0; i < written->count; i++) {
        const struct dockerfile_line *a = &df->lines.lines[i];
        const struct dockerfile_line *b = &written->lines[i];

        if (a->number != b->number || !str_eq_nocase(a->keyword, b->keyword))
            return false;
        switch (df->instructions[i].kind) {
        case INSTRUCTION_PLAIN:
            if (!str_eq(a->text, b->text))
                return false;
            break;
        case INSTRUCTION_FROM:
            if (a->flag_count != b->flag_count)
                return false;
            break;
        case INSTRUCTION_COPY:
            if (a->flag_count != b->flag_count || !str_eq(a->args, b->args))
                return false;
            break;
        }
    }
    return true;
}

static int put_all(const struct dockerfile *df, struct strbuf *out,
                   struct verdict *why)
{
    size_t at = 0;
    int r = 0;

    if (df->lines.escape != '\\')
        r = dockerfile_line_put(out, &at, 1, S("# escape=`"));
    for (size_t i = 0; r == 0 && i < df->lines.count; i++) {
        const struct dockerfile_line *line = &df->lines.lines[i];
        AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_DOCKERFILE_LINE);

        r = put_instruction(df, i, &text);
        if (r)
            return dockerfile_doubt(
                why, line->number,
                "this instruction cannot be written anew with the image's ID "
                "in it: it is too long, or a flag has a quote, a blank or an "
                "escape in it");
        r = dockerfile_line_put(out, &at, line->number, strbuf_str(&text));
    }
    if (r)
        verdict_deny(why, 413, "build.doubt", "",
                     "the Dockerfile, written anew, is too long");
    return r;
}

int dockerfile_put(const struct dockerfile *df, struct strbuf *out,
                   struct verdict *why)
{
    struct dockerfile_lines written = {0};
    size_t start = out->len;
    int r = put_all(df, out, why);

    if (r == 0) {
        r = dockerfile_lines_read(&written,
                                  str_from_index(strbuf_str(out), start),
                                  LIMIT_DOCKERFILE_WRITTEN, why);
        if (r == 0 && !is_same(df, &written)) {
            verdict_deny(why, 400, "build.doubt", "",
                         "the Dockerfile cannot be written anew without doubt "
                         "about how it is read; look at its continuation "
                         "lines");
            r = -EINVAL;
        }
        dockerfile_lines_fini(&written);
    }
    if (r) {
        out->len = start;
        return -EINVAL;
    }
    return 0;
}
