#include "policy/config/presets.h"

#include "policy/base/suggest.h"

const struct preset *preset_find(struct str name)
{
    for (size_t i = 0; i < preset_count; i++)
        if (str_eq(name, str_from(presets[i].name)))
            return &presets[i];
    return NULL;
}

bool preset_check(struct str name, struct strbuf *why)
{
    struct suggestion suggestion = SUGGESTION(name);

    if (preset_find(name) != NULL)
        return true;
    for (size_t i = 0; i < preset_count; i++)
        suggestion_weigh(&suggestion, presets[i].name);
    strbuf_addf(why, "is no preset; ");
    if (suggestion.best != NULL) {
        strbuf_addf(why, "did you mean \"%s\"?", suggestion.best);
        return false;
    }
    strbuf_addf(why, "write ");
    for (size_t i = 0; i < preset_count; i++)
        strbuf_addf(why, "%s\"%s\"",
                    i == 0                  ? ""
                    : i + 1 == preset_count ? " or "
                                            : ", ",
                    presets[i].name);
    return false;
}

bool preset_word_at(size_t index, struct strbuf *out)
{
    return index < preset_count &&
           strbuf_add(out, str_from(presets[index].name)) == 0;
}
