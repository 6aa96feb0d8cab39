#include "policy/config/setting_types.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>

#include "policy/base/limits.h"

struct unit {
    const char *name;
    uint64_t factor;
};

/* The biggest first, as printing picks the first that divides. */
static const struct unit size_units[] = {
    {"t",  (uint64_t)1 << 40},
    {"g",  (uint64_t)1 << 30},
    {"m",  (uint64_t)1 << 20},
    {"k",  (uint64_t)1 << 10},
    {"b",  1                },
    {NULL, 0                }
};
static const struct unit duration_units[] = {
    {"h",  3600000},
    {"m",  60000  },
    {"s",  1000   },
    {"ms", 1      },
    {NULL, 0      },
};

/* The largest whole number that a double holds exactly. */
static const double EXACT = 9007199254740992.0;

static int in_range(const struct setting *setting, double number)
{
    return number < setting->min || number > setting_max(setting)
               ? SETTING_E_OUT_OF_RANGE
               : 0;
}

/* "15s": digits, then one of UNITS in either case. */
static int read_with_unit(const struct unit *units, struct str text,
                          double *number)
{
    size_t digits = 0;
    uint64_t value;

    while (digits < text.len && isdigit((unsigned char)text.ptr[digits]))
        digits++;
    for (; units->name != NULL; units++) {
        if (!str_eq_nocase(str_from_index(text, digits), str_from(units->name)))
            continue;
        int r = str_to_u64(str_head(text, digits), &value);

        if (r == -EINVAL)
            return SETTING_E_WRONG;
        *number = r < 0 ? INFINITY : (double)value * (double)units->factor;
        return 0;
    }
    return SETTING_E_WRONG;
}

static int put_with_unit(const struct unit *units, uint64_t value,
                         struct strbuf *out)
{
    while (units->factor > 1 && (value == 0 || value % units->factor != 0))
        units++;
    return strbuf_addf(out, "%llu%s",
                       (unsigned long long)(value / units->factor),
                       units->name);
}

static int read_bool(const struct setting *setting, const json_t *value,
                     struct str text, void *member)
{
    (void)setting;
    (void)text;
    if (!json_is_boolean(value))
        return SETTING_E_WRONG;
    *(bool *)member = json_is_true(value);
    return 0;
}

static int read_string(const struct setting *setting, const json_t *value,
                       struct str text, void *member)
{
    (void)setting;
    if (!json_is_string(value))
        return SETTING_E_WRONG;
    *(char **)member = xstr_dup(text);
    return 0;
}

static int read_word_or_number(const struct setting *setting,
                               const json_t *value, struct str text,
                               void *member)
{
    AUTO(strbuf_fini) struct strbuf digits = STRBUF(32);

    if (!json_is_integer(value))
        return read_string(setting, value, text, member);
    strbuf_addf(&digits, "%lld", (long long)json_integer_value(value));
    *(char **)member = xstr_dup(strbuf_str(&digits));
    return in_range(setting, (double)json_integer_value(value));
}

static int read_enum(const struct setting *setting, const json_t *value,
                     struct str text, void *member)
{
    if (!json_is_string(value))
        return SETTING_E_WRONG;
    for (unsigned i = 0; setting->words[i] != NULL; i++)
        if (str_eq(text, str_from(setting->words[i]))) {
            *(unsigned *)member = i;
            return 0;
        }
    return SETTING_E_WRONG;
}

static int read_integer(const struct setting *setting, const json_t *value,
                        struct str text, void *member)
{
    (void)text;
    if (!json_is_integer(value))
        return SETTING_E_WRONG;
    int r = in_range(setting, (double)json_integer_value(value));

    if (r == 0)
        *(unsigned *)member = (unsigned)json_integer_value(value);
    return r;
}

static int read_number(const struct setting *setting, const json_t *value,
                       struct str text, void *member)
{
    (void)text;
    if (!json_is_number(value))
        return SETTING_E_WRONG;
    int r = in_range(setting, json_number_value(value));

    if (r == 0)
        *(double *)member = json_number_value(value);
    return r;
}

static int read_duration(const struct setting *setting, const json_t *value,
                         struct str text, void *member)
{
    double number;

    if (!json_is_string(value) ||
        read_with_unit(duration_units, text, &number) != 0)
        return SETTING_E_WRONG;
    int r = in_range(setting, number);

    if (r == 0)
        *(unsigned *)member = (unsigned)number;
    return r;
}

static int read_size(const struct setting *setting, const json_t *value,
                     struct str text, void *member)
{
    double number;

    if (json_is_integer(value))
        number = (double)json_integer_value(value);
    else if (!json_is_string(value) ||
             read_with_unit(size_units, text, &number) != 0)
        return SETTING_E_WRONG;
    int r = in_range(setting, number);

    if (r == 0)
        *(uint64_t *)member = (uint64_t)number;
    return r;
}

static int read_file_mode(const struct setting *setting, const json_t *value,
                          struct str text, void *member)
{
    unsigned mode = 0;

    (void)setting;
    if (!json_is_string(value) || text.len < 3 || text.len > 4)
        return SETTING_E_WRONG;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '7')
            return SETTING_E_WRONG;
        mode = mode * 8 + (unsigned)(text.ptr[i] - '0');
    }
    if (mode > 0777)
        return SETTING_E_WRONG;
    *(unsigned *)member = mode;
    return 0;
}

static json_t *bool_to_json(const struct setting *setting, const void *member)
{
    (void)setting;
    return json_boolean(*(const bool *)member);
}

static json_t *string_to_json(const struct setting *setting, const void *member)
{
    const char *text = *(char *const *)member;
    AUTO(strbuf_fini) struct strbuf escaped = STRBUF(2 * LIMIT_POLICY_TEXT);

    (void)setting;
    if (text == NULL)
        return json_null();
    environment_escape(str_from(text), &escaped);
    return json_stringn(escaped.ptr != NULL ? escaped.ptr : "", escaped.len);
}

static json_t *enum_to_json(const struct setting *setting, const void *member)
{
    return json_string(setting->words[*(const unsigned *)member]);
}

static json_t *integer_to_json(const struct setting *setting,
                               const void *member)
{
    (void)setting;
    if (*(const unsigned *)member == UINT_MAX)
        return json_null();
    return json_integer(*(const unsigned *)member);
}

static json_t *number_to_json(const struct setting *setting, const void *member)
{
    double number = *(const double *)member;

    (void)setting;
    if (isinf(number))
        return json_null();
    return number < EXACT && number == (double)(json_int_t)number
               ? json_integer((json_int_t)number)
               : json_real(number);
}

static json_t *with_unit_to_json(const struct unit *units, uint64_t value)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(32);

    put_with_unit(units, value, &text);
    return json_stringn(text.ptr, text.len);
}

static json_t *duration_to_json(const struct setting *setting,
                                const void *member)
{
    unsigned value = *(const unsigned *)member;

    (void)setting;
    return value == UINT_MAX ? json_null()
                             : with_unit_to_json(duration_units, value);
}

static json_t *size_to_json(const struct setting *setting, const void *member)
{
    uint64_t value = *(const uint64_t *)member;

    (void)setting;
    return value == UINT64_MAX ? json_null()
                               : with_unit_to_json(size_units, value);
}

static json_t *file_mode_to_json(const struct setting *setting,
                                 const void *member)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(32);

    (void)setting;
    strbuf_addf(&text, "%04o", *(const unsigned *)member);
    return json_stringn(text.ptr, text.len);
}

static void clear_pointer(void *member)
{
    *(char **)member = NULL;
}

static void clear_unsigned(void *member)
{
    *(unsigned *)member = UINT_MAX;
}

static void clear_number(void *member)
{
    *(double *)member = INFINITY;
}

static void clear_size(void *member)
{
    *(uint64_t *)member = UINT64_MAX;
}

static void clear_list(void *member)
{
    *(struct strings *)member = (struct strings){0};
}

static const struct type {
    const char *noun;
    const char *remedy;
    double max; /* when the row gives none */
    int (*read)(const struct setting *setting, const json_t *value,
                struct str text, void *member);
    json_t *(*to_json)(const struct setting *setting, const void *member);
    void (*clear)(void *member);
    const struct unit *units;
} types[] = {
  // clang-format off
    [SETTING_BOOL] = {"boolean", "true or false", 0,
                      read_bool, bool_to_json, NULL},
    [SETTING_STRING] = {"string", "text in quotes", 0,
                        read_string, string_to_json, clear_pointer},
    [SETTING_WORD_OR_NUMBER] = {"string or number",
                                "a name in quotes or a whole number", INT_MAX,
                                read_word_or_number, string_to_json,
                                clear_pointer},
    [SETTING_ENUM] = {"value of this key", NULL, 0,
                      read_enum, enum_to_json, NULL},
    [SETTING_INTEGER] = {"whole number", "a number without quotes, like 20",
                         INT_MAX, read_integer, integer_to_json,
                         clear_unsigned},
    [SETTING_NUMBER] = {"number", "a number without quotes, like 2 or 0.5",
                        EXACT, read_number, number_to_json, clear_number},
    [SETTING_DURATION] = {"duration",
                          "a number with ms, s, m or h, like \"15s\"", INT_MAX,
                          read_duration, duration_to_json, clear_unsigned,
                          duration_units},
    [SETTING_SIZE] = {"size", "a number with k, m, g or t, like \"4g\"", EXACT,
                      read_size, size_to_json, clear_size, size_units},
    [SETTING_FILE_MODE] = {"file mode", "octal digits, like \"0660\"", 0777,
                           read_file_mode, file_mode_to_json, NULL},
    [SETTING_STRINGS] = {"list of strings", "[\"...\", \"...\"]",
                         LIMIT_POLICY_LIST, NULL, NULL, clear_list},
    [SETTING_STRINGS_OR_ONE] = {"string or list of strings",
                                "\"...\" or [\"...\", \"...\"]",
                                LIMIT_POLICY_LIST, NULL, NULL, clear_list},
    [SETTING_OBJECT] = {"object", NULL, 0, NULL, NULL, NULL},
    [SETTING_OBJECTS] = {"list of objects", "[ {...}, {...} ]",
                         LIMIT_POLICY_LIST, NULL, NULL, clear_list},
  // clang-format on
};

int setting_read_scalar(const struct setting *setting, const json_t *value,
                        struct str text, void *member)
{
    return types[setting->type].read(setting, value, text, member);
}

void setting_clear(const struct setting *setting, void *member)
{
    types[setting->type].clear(member);
}

json_t *setting_scalar_to_json(const struct setting *setting,
                               const void *member)
{
    return types[setting->type].to_json(setting, member);
}

const char *setting_noun(enum setting_type type)
{
    return types[type].noun;
}

/* "a, b or c" */
static int put_choice(struct strbuf *out, size_t i, bool last, const char *word,
                      const char *quote)
{
    return strbuf_addf(out, "%s%s%s%s",
                       i == 0 ? ""
                       : last ? " or "
                              : ", ",
                       quote, word, quote);
}

int setting_put_remedy(const struct setting *setting, struct strbuf *out)
{
    int r = 0;

    if (setting->type == SETTING_ENUM) {
        for (size_t i = 0; r == 0 && setting->words[i] != NULL; i++)
            r = put_choice(out, i, setting->words[i + 1] == NULL,
                           setting->words[i], "\"");
    } else if (setting->type == SETTING_OBJECT) {
        const struct shape *of = setting->of;

        r = strbuf_addf(out, of->count > 8 ? "{ ... }" : "{ ... } with ");
        for (size_t i = 0; r == 0 && of->count <= 8 && i < of->count; i++)
            r = put_choice(out, i, i + 1 == of->count, of->rows[i].key, "");
    } else {
        r = strbuf_add(out, str_from(types[setting->type].remedy));
    }
    if (r == 0 && setting_is_optional(setting))
        r = strbuf_addf(out, ", or null for none");
    return r;
}

static int put_limit(const struct setting *setting, double limit,
                     struct strbuf *out)
{
    const struct unit *units = types[setting->type].units;

    if (units != NULL)
        return put_with_unit(units, (uint64_t)limit, out);
    return strbuf_addf(out, "%.15g", limit);
}

int setting_put_range(const struct setting *setting, struct strbuf *out)
{
    int r = put_limit(setting, setting->min, out);

    if (r < 0 || setting->min >= setting_max(setting))
        return r;
    r = strbuf_addf(out, " to ");
    if (r == 0)
        r = put_limit(setting, setting_max(setting), out);
    return r;
}

bool setting_is_optional(const struct setting *setting)
{
    return setting->fallback != NULL &&
           str_eq(str_from(setting->fallback), S("null"));
}

double setting_max(const struct setting *setting)
{
    return setting->max > 0 ? setting->max : types[setting->type].max;
}
