#include "policy/judge/query_field.h"

/*
 * What "docker top" hands to ps, which the engine runs on the host, as root. Of
 * what ps tells, the engine keeps the rows whose PID is the container's, and
 * takes for the PID the word that is where "PID" is among the titles.
 * So nothing may move that word: no column that can hold blanks before it, no
 * title of one's own, no missing titles. Else rows and errors would tell what
 * other processes were called with.
 */

/* Options without an argument, behind a dash and on their own. */
#define DASHED "AadefFjlLTwyHcm"
#define PLAIN  "auxwflejsvcrSTHmgXn"

struct ps {
    bool awaits_columns; /* the next word is a list of them */
    bool has_pid;
    bool may_shift; /* a column that can hold blanks came before it */
};

static bool is_made_of(struct str text, struct str bytes)
{
    for (size_t i = 0; i < text.len; i++) {
        if (str_find(bytes, text.ptr[i]) < 0)
            return false;
    }
    return true;
}

/* Is this one always one word? */
static bool is_one_word(struct str column)
{
    static const struct str columns[] = {
        STR("c"),    STR("euid"),  STR("euser"), STR("gid"),  STR("group"),
        STR("ni"),   STR("nice"),  STR("%cpu"),  STR("%mem"), STR("pcpu"),
        STR("pgid"), STR("pmem"),  STR("ppid"),  STR("pri"),  STR("rss"),
        STR("ruid"), STR("ruser"), STR("s"),     STR("sid"),  STR("stat"),
        STR("time"), STR("tt"),    STR("tty"),   STR("uid"),  STR("user"),
        STR("vsz"),
    };

    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        if (str_eq(column, columns[i]))
            return true;
    }
    return false;
}

/* "pid,user:20,comm" */
static bool take_columns(struct ps *ps, struct str list)
{
    struct str column, name, width;

    ps->awaits_columns = false;
    while (list.len) {
        str_cut(list, ',', &column, &list);
        str_cut(column, ':', &name, &width);
        if (!is_made_of(width, S("0123456789")) ||
            (!is_one_word(name) &&
             !is_made_of(name, S("abcdefghijklmnopqrstuvwxyz_"))))
            return false;
        if (str_eq(name, S("pid")))
            ps->has_pid = true;
        else if (!ps->has_pid && !is_one_word(name))
            ps->may_shift = true;
        if (ps->has_pid && ps->may_shift)
            return false;
    }
    return true;
}

static bool take_long(struct ps *ps, struct str word)
{
    struct str name, value;
    bool has_value = str_cut(word, '=', &name, &value);

    if (str_eq(name, S("format"))) {
        if (has_value)
            return take_columns(ps, value);
        ps->awaits_columns = true;
        return true;
    }
    if (str_eq(name, S("sort")))
        return is_made_of(value, S("abcdefghijklmnopqrstuvwxyz_%,+-"));
    return str_eq(word, S("forest"));
}

/* "-ef", "aux", "-eo", "-opid,comm" */
static bool take_letters(struct ps *ps, struct str word)
{
    bool dashed = word.ptr[0] == '-';
    struct str known = dashed ? S(DASHED) : S(PLAIN);
    struct str letters, columns;

    if (dashed)
        word = str_from_index(word, 1);
    if (!str_cut(word, 'o', &letters, &columns))
        return letters.len && is_made_of(letters, known);
    if (!is_made_of(letters, known) || !take_columns(ps, columns))
        return false;
    ps->awaits_columns = columns.len == 0;
    return true;
}

static bool take_word(struct ps *ps, struct str word)
{
    if (word.len == 0)
        return true;
    if (ps->awaits_columns)
        return take_columns(ps, word);
    if (str_has_prefix(word, S("--")))
        return take_long(ps, str_from_index(word, 2));
    return take_letters(ps, word);
}

bool query_ps(struct judge *judge, const struct query_field *field,
              const struct place *place, struct str value)
{
    struct ps ps = {0};
    struct str word;
    bool good = value.len <= 256;

    (void)field;
    while (good && value.len) {
        str_cut(value, ' ', &word, &value);
        good = take_word(&ps, word);
    }
    return good || judge_forbid(judge, "request.query", place,
                                "ps gets options and columns only, with pid "
                                "before what may hold blanks, like -ef, aux or "
                                "-eo pid,comm");
}
