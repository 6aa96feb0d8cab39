#include "tests/reference/reference.h"

#include "policy/config/policy.h"
#include "policy/config/setting_types.h"

/* TEXT as roff takes it literally, in a line that begins with something else.
 */
static void put_literal(struct strbuf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        struct str c = str_of(&text.ptr[i], 1);

        put(out, c.ptr[0] == '\\' ? S("\\e") : c);
    }
}

/* A line of its own: a dot or a quote in front would make it a request. */
static void put_line(struct strbuf *out, struct str text)
{
    put(out, S("\\&"));
    put_literal(out, text);
    put(out, S("\n"));
}

/* "duration, 1s to 1h; default: "30s"" */
static void put_type(struct strbuf *out, const struct setting *setting)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(8 * KIB);

    put_setting_type(&text, setting, "");
    if (setting->fallback == NULL)
        put(&text, S("; must be given"));
    else
        strbuf_addf(&text, "; default: %s", setting->fallback);
    put_line(out, strbuf_str(&text));
}

static void put_setting(struct strbuf *out, const struct setting *setting,
                        const char *path)
{
    strbuf_addf(out, ".It Cm %s\n", path);
    put_type(out, setting);
    put(out, S(".br\n"));
    put_line(out, str_from(setting->help));
}

static void put_section(struct strbuf *out, const struct setting *section)
{
    strbuf_addf(out, ".Ss %s: %s\n.Bl -tag -width Ds\n", section->key,
                section->help);
    put_each_setting(out, section, "", put_setting);
    put(out, S(".El\n"));
}

void put_settings_man(struct strbuf *out)
{
    put(out, S(".Bl -tag -width Ds\n"));
    for (size_t i = 0; i < policy_shape.count; i++)
        if (policy_shape.rows[i].of == NULL)
            put_each_setting(out, &policy_shape.rows[i], "", put_setting);
    put(out, S(".El\n"));
    for (size_t i = 0; i < policy_shape.count; i++)
        if (policy_shape.rows[i].of != NULL)
            put_section(out, &policy_shape.rows[i]);
}
