#include "tests/reference/reference.h"

#include "policy/config/policy.h"
#include "policy/config/setting_types.h"

/* TEXT inside a cell, where "|" would end it. */
static void put_cell(struct strbuf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '|')
            put(out, S("\\"));
        put(out, str_of(&text.ptr[i], 1));
    }
}

static void put_type(struct strbuf *out, const struct setting *setting)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(1024);

    put_setting_type(&text, setting, "`");
    put_cell(out, strbuf_str(&text));
}

static void put_setting(struct strbuf *out, const struct setting *setting,
                        const char *path)
{
    strbuf_addf(out, "| `%s` | ", path);
    put_type(out, setting);
    if (setting->fallback == NULL)
        put(out, S(" | *must be given* | "));
    else
        strbuf_addf(out, " | `%s` | ", setting->fallback);
    put_cell(out, str_from(setting->help));
    put(out, S(" |\n"));
}

static void put_table_head(struct strbuf *out)
{
    put(out, S("| key | what it is | default | meaning |\n"
               "| --- | --- | --- | --- |\n"));
}

void put_settings_table(struct strbuf *out)
{
    put_table_head(out);
    for (size_t i = 0; i < policy_shape.count; i++)
        if (policy_shape.rows[i].of == NULL)
            put_each_setting(out, &policy_shape.rows[i], "", put_setting);
    put(out, S("\n"));
    for (size_t i = 0; i < policy_shape.count; i++) {
        const struct setting *section = &policy_shape.rows[i];

        if (section->of == NULL)
            continue;
        strbuf_addf(out, "### `%s`: %s\n\n", section->key, section->help);
        put_table_head(out);
        put_each_setting(out, section, "", put_setting);
        put(out, S("\n"));
    }
}
