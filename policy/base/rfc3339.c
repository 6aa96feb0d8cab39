#include "policy/base/rfc3339.h"

#include <time.h>

/* COUNT digits at the start of *TEXT, which is cut. */
static bool take_number(struct str *text, size_t count, int *number)
{
    uint64_t n;

    if (text->len < count || str_to_u64(str_head(*text, count), &n) < 0)
        return false;
    *text = str_from_index(*text, count);
    *number = (int)n;
    return true;
}

static bool take_char(struct str *text, char c)
{
    if (text->len == 0 || text->ptr[0] != c)
        return false;
    *text = str_from_index(*text, 1);
    return true;
}

int64_t rfc3339_seconds(struct str text)
{
    struct tm tm = {0};
    int hours = 0, minutes = 0, sign = 0;

    if (!take_number(&text, 4, &tm.tm_year) || !take_char(&text, '-') ||
        !take_number(&text, 2, &tm.tm_mon) || !take_char(&text, '-') ||
        !take_number(&text, 2, &tm.tm_mday) || !take_char(&text, 'T') ||
        !take_number(&text, 2, &tm.tm_hour) || !take_char(&text, ':') ||
        !take_number(&text, 2, &tm.tm_min) || !take_char(&text, ':') ||
        !take_number(&text, 2, &tm.tm_sec))
        return 0;
    if (take_char(&text, '.')) {
        while (text.len && text.ptr[0] >= '0' && text.ptr[0] <= '9')
            text = str_from_index(text, 1);
    }
    if (!take_char(&text, 'Z')) {
        sign = take_char(&text, '+') ? 1 : take_char(&text, '-') ? -1 : 0;
        if (!sign || !take_number(&text, 2, &hours) || !take_char(&text, ':') ||
            !take_number(&text, 2, &minutes))
            return 0;
    }
    if (text.len)
        return 0;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return (int64_t)timegm(&tm) - sign * (hours * 3600 + minutes * 60);
}
