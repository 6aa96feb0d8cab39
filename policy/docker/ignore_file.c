#include "policy/docker/ignore_file.h"

#include <stdlib.h>

#include "policy/base/limits.h"
#include "policy/docker/shell_word.h"

/* ---- paths, as Go's filepath.Clean makes them ---- */

static void put_part(struct strbuf *out, bool rooted, struct str part)
{
    if (out->len > (rooted ? 1 : 0))
        strbuf_add_char(out, '/');
    strbuf_add(out, part);
}

/* Take the last part off OUT; false when there is none that ".." can undo. */
static bool drop_part(struct strbuf *out, bool rooted)
{
    size_t root = rooted ? 1 : 0;
    size_t end = out->len;

    while (end > root && out->ptr[end - 1] != '/')
        end--;
    if (out->len == root ||
        str_eq(str_from_index(strbuf_str(out), end), S("..")))
        return false;
    out->len = end > root ? end - 1 : root;
    return true;
}

static void clean_path(struct strbuf *out, struct str path)
{
    bool rooted = path.len && path.ptr[0] == '/';

    if (rooted)
        strbuf_add_char(out, '/');
    while (path.len) {
        struct str part;

        str_cut(path, '/', &part, &path);
        if (part.len == 0 || str_eq(part, S(".")))
            continue;
        if (!str_eq(part, S("..")) || (!drop_part(out, rooted) && !rooted))
            put_part(out, rooted, part);
    }
    if (out->len == 0)
        strbuf_add_char(out, '.');
}

/* ---- patterns ---- */

struct matching {
    size_t steps; /* what may still be tried */
};

/* The end of the class that PATTERN begins with, "[a-z]"; 0: it has none. */
static size_t class_length(struct str pattern)
{
    size_t i = 1;

    if (i < pattern.len && pattern.ptr[i] == '^')
        i++;
    for (size_t start = i; i < pattern.len; i++) {
        if (pattern.ptr[i] == ']' && i > start)
            return i + 1;
        if (pattern.ptr[i] == '\\')
            i++;
    }
    return 0;
}

static bool class_has(struct str class, char c)
{
    struct str in = str_of(class.ptr + 1, class.len - 2);
    bool negated = in.len && in.ptr[0] == '^', found = false;

    if (negated)
        in = str_from_index(in, 1);
    while (in.len) {
        char low, high;

        if (in.ptr[0] == '\\' && in.len > 1)
            in = str_from_index(in, 1);
        low = high = in.ptr[0];
        in = str_from_index(in, 1);
        if (in.len >= 2 && in.ptr[0] == '-') {
            in = str_from_index(in, in.ptr[1] == '\\' && in.len > 2 ? 2 : 1);
            high = in.ptr[0];
            in = str_from_index(in, 1);
        }
        found = found || (c >= low && c <= high);
    }
    return found != negated;
}

static bool matches(struct matching *m, struct str pattern, struct str path);

/* "**", "**" and a slash: any number of folders, also none. */
static bool matches_folders(struct matching *m, struct str pattern,
                            struct str path)
{
    struct str rest = str_from_index(pattern, 2);

    if (rest.len && rest.ptr[0] == '/')
        rest = str_from_index(rest, 1);
    if (rest.len == 0)
        return true;
    if (matches(m, rest, path))
        return true;
    for (size_t i = 0; i < path.len; i++) {
        if (path.ptr[i] == '/' && matches(m, rest, str_from_index(path, i + 1)))
            return true;
    }
    return false;
}

/* "*": any run of characters within one part. */
static bool matches_run(struct matching *m, struct str pattern, struct str path)
{
    struct str rest = str_from_index(pattern, 1);

    for (size_t i = 0;; i++) {
        if (matches(m, rest, str_from_index(path, i)))
            return true;
        if (i >= path.len || path.ptr[i] == '/')
            return false;
    }
}

/* The length of the one character that PATTERN begins with, if it is C. */
static size_t matches_one(struct str pattern, char c)
{
    size_t len;

    switch (pattern.ptr[0]) {
    case '?':
        return c != '/';
    case '[':
        len = class_length(pattern);
        return len && class_has(str_head(pattern, len), c) ? len : 0;
    case '\\':
        if (pattern.len > 1)
            return pattern.ptr[1] == c ? 2 : 0;
        break;
    }
    return pattern.ptr[0] == c;
}

static bool matches(struct matching *m, struct str pattern, struct str path)
{
    while (pattern.len) {
        size_t len;

        if (m->steps == 0)
            return false;
        m->steps--;
        if (str_has_prefix(pattern, S("**")))
            return matches_folders(m, pattern, path);
        if (pattern.ptr[0] == '*')
            return matches_run(m, pattern, path);
        len = path.len ? matches_one(pattern, path.ptr[0]) : 0;
        if (len == 0)
            return false;
        pattern = str_from_index(pattern, len);
        path = str_from_index(path, 1);
    }
    return path.len == 0;
}

/* Does PATTERN fit PATH or a folder that it lies in? */
static bool fits(struct matching *m, struct str pattern, struct str path)
{
    if (matches(m, pattern, path))
        return true;
    for (size_t i = 0; i < path.len; i++) {
        if (path.ptr[i] == '/' && matches(m, pattern, str_head(path, i)))
            return true;
    }
    return false;
}

/* Would an engine (Go's filepath.Match) refuse it? */
static bool is_malformed(struct str pattern)
{
    for (size_t i = 0; i < pattern.len; i++) {
        struct str rest = str_from_index(pattern, i);

        if (rest.ptr[0] == '\\') {
            if (rest.len == 1)
                return true;
            i++;
        } else if (rest.ptr[0] == '[') {
            size_t len = class_length(rest);

            if (len == 0)
                return true;
            i += len - 1;
        }
    }
    return false;
}

/* ---- the file ---- */

/* One line, as a pattern: false when it is none. */
static bool read_pattern(struct str line, bool *inverted, struct strbuf *out)
{
    if (line.len && line.ptr[0] == '#')
        return false;
    line = shell_trim(line);
    *inverted = line.len && line.ptr[0] == '!';
    if (*inverted)
        line = shell_trim(str_from_index(line, 1));
    strbuf_clear(out);
    if (line.len == 0)
        return *inverted; /* nothing to include: malformed */
    clean_path(out, line);
    if (out->len > 1 && out->ptr[0] == '/')
        strbuf_consume(out, 1);
    return true;
}

bool ignore_file_excludes(struct str text, struct str path)
{
    AUTO(strbuf_fini) struct strbuf pattern = STRBUF(LIMIT_DOCKERFILE);
    struct matching m = {.steps = LIMIT_MATCH_ALL};
    bool excluded = false, inverted;

    if (str_has_prefix(text, S("\xef\xbb\xbf")))
        text = str_from_index(text, 3);
    while (text.len) {
        struct str line;

        str_cut(text, '\n', &line, &text);
        if (!read_pattern(line, &inverted, &pattern))
            continue;
        if (pattern.len == 0 || is_malformed(strbuf_str(&pattern)))
            return false;
        if (inverted == excluded && fits(&m, strbuf_str(&pattern), path))
            excluded = !inverted;
    }
    return excluded;
}
