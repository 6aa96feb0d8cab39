#include "tests/unit/unit.h"

#include <malloc.h>
#include <stdlib.h>

#include "policy/base/json_size.h"
#include "policy/base/limits.h"
#include "policy/base/str.h"

static size_t held;

static void *count_malloc(size_t size)
{
    void *p = malloc(size);

    held += malloc_usable_size(p) + sizeof(size_t);
    return p;
}

static void count_free(void *p)
{
    if (p)
        held -= malloc_usable_size(p) + sizeof(size_t);
    free(p);
}

/* UNIT with the number for each '#'. */
static void put_unit(struct strbuf *text, const char *unit, unsigned number)
{
    for (; *unit; unit++) {
        if (*unit == '#')
            strbuf_addf(text, "%u", number);
        else
            strbuf_add_char(text, *unit);
    }
}

/* UNIT, COUNT times with commas between, between OPEN and CLOSE. */
static void of_many(const char *open, const char *unit, const char *close,
                    unsigned count)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(16 * MIB);
    size_t before = held, real, told;
    json_t *value;

    strbuf_addf(&text, "%s", open);
    for (unsigned i = 0; i < count; i++) {
        strbuf_addf(&text, "%s", i ? "," : "");
        put_unit(&text, unit, i);
    }
    strbuf_addf(&text, "%s", close);
    value = json_loadb(text.ptr, text.len, 0, NULL);
    assert_non_null(value);
    real = held - before;
    told = json_memory(value);
    /* never half of it, never twice as much */
    if (told < real / 2 || told > 2 * real)
        fail_msg("%s%s%s: %zu, and it is said to be %zu", open, unit, close,
                 real, told);
    json_decref(value);
    assert_int_equal(held, before);
}

static void it_is_about_what_jansson_holds(void **state)
{
    (void)state;
    json_set_alloc_funcs(count_malloc, count_free);
    of_many("[", "{}", "]", rounds_of(60000));
    of_many("[", "[]", "]", rounds_of(60000));
    of_many("[", "#", "]", rounds_of(60000));
    of_many("[", "\"#\"", "]", rounds_of(60000));
    of_many("{", "\"key#\": 1", "}", rounds_of(60000));
    of_many("{", "\"key#\": {\"a\": \"b\"}", "}", rounds_of(20000));
    of_many("[", "{\"Id\": \"#a64bytesago\", \"Names\": [\"/a\"]}", "]",
            rounds_of(5000));
    json_set_alloc_funcs(malloc, free);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_about_what_jansson_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
