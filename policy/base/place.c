#include "policy/base/place.h"

#include <assert.h>

/* One byte more than is shown, so that a cut is noticed. */
struct spelling {
    char text[PLACE_MAX + 1];
    size_t len;
};

static void add(struct spelling *out, const char *text)
{
    for (; *text && out->len < sizeof(out->text) - 1; text++) {
        bool plain = *text >= 0x20 && *text < 0x7f;
        char shown = '?';

        if (plain)
            shown = *text;
        out->text[out->len++] = shown;
    }
}

static void add_index(struct spelling *out, size_t index)
{
    char digits[24];
    size_t at = sizeof(digits) - 1;

    digits[at] = '\0';
    digits[--at] = ']';
    do
        digits[--at] = (char)('0' + index % 10);
    while ((index /= 10) && at > 1);
    digits[--at] = '[';
    add(out, digits + at);
}

static void spell(const struct place *place, struct spelling *out)
{
    if (place->up)
        spell(place->up, out);
    if (!place->key) {
        if (place->up)
            add_index(out, place->index);
    } else if (place->data) {
        add(out, "{");
        add(out, place->key);
        add(out, "}");
    } else {
        if (out->len)
            add(out, ".");
        add(out, place->key);
    }
}

void place_spell(const struct place *place, char to[PLACE_MAX])
{
    struct spelling out = {.len = 0};

    spell(place, &out);
    out.text[out.len] = '\0';
    if (out.len >= PLACE_MAX)
        memcpy(out.text + PLACE_MAX - 4, "...", 4);
    memcpy(to, out.text, PLACE_MAX);
}

void place_set(const struct place *place, json_t *value)
{
    int r = json_is_object(place->owner)
                ? json_object_set_new(place->owner, place->key, value)
                : json_array_set_new(place->owner, place->index, value);

    assert(r == 0);
    (void)r;
}
