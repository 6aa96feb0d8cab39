#include "tests/reference/reference.h"

#include <assert.h>

#include "policy/config/setting_types.h"

void put(struct strbuf *out, struct str text)
{
    int r = strbuf_add(out, text);

    assert(r == 0);
}

void put_each_setting(struct strbuf *out, const struct setting *setting,
                      const char *prefix, put_setting_fn *write)
{
    AUTO(strbuf_fini) struct strbuf path = STRBUF(256);
    int r = strbuf_addf(&path, "%s%s", prefix, setting->key);

    assert(r == 0);
    if (setting->type != SETTING_OBJECT)
        write(out, setting, strbuf_cstr(&path));
    if (setting->of == NULL)
        return;
    put(&path, setting->type == SETTING_OBJECTS ? S("[].") : S("."));
    for (size_t i = 0; i < setting->of->count; i++)
        put_each_setting(out, &setting->of->rows[i], strbuf_cstr(&path), write);
}

static bool has_range(const struct setting *setting)
{
    return setting->type == SETTING_INTEGER ||
           setting->type == SETTING_NUMBER ||
           setting->type == SETTING_DURATION ||
           (setting->type == SETTING_SIZE && setting->max > 0);
}

void put_setting_type(struct strbuf *out, const struct setting *setting,
                      const char *mark)
{
    int r = 0;

    if (setting->type == SETTING_ENUM) {
        for (size_t i = 0; r == 0 && setting->words[i] != NULL; i++)
            r = strbuf_addf(out, "%s%s\"%s\"%s", i > 0 ? ", " : "", mark,
                            setting->words[i], mark);
    } else {
        r = strbuf_addf(out, "%s%s", setting_noun(setting->type),
                        has_range(setting) ? ", " : "");
        if (r == 0 && has_range(setting))
            r = setting_put_range(setting, out);
    }
    assert(r == 0);
}
