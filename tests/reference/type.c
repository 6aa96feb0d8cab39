#include "tests/reference/reference.h"

#include <assert.h>

#include "policy/setting_types.h"

void put(struct strbuf *out, struct str text)
{
    int r = strbuf_add(out, text);

    assert(r == 0);
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
