#include "policy/record/audit_chain.h"

#include <errno.h>
#include <stdio.h>

#define BEFORE_LINE     ",\"line\":"
#define BEFORE_PREVIOUS ",\"previous\":"

int audit_chain_add(struct audit_chain *chain, struct str line,
                    struct strbuf *out)
{
    struct audit_chain next = {.line = chain->line + 1};
    const char *quote = chain->line ? "\"" : "";
    size_t before = out->len;
    int r;

    if (line.len < 4 || !str_has_suffix(line, S("}\n")))
        return -EINVAL;
    r = strbuf_add(out, str_head(line, line.len - 2));
    if (r == 0)
        r = strbuf_addf(out, BEFORE_LINE "%llu" BEFORE_PREVIOUS "%s%s%s}\n",
                        (unsigned long long)next.line, quote,
                        chain->line ? chain->hash : "null", quote);
    if (r < 0) {
        out->len = before;
        return r;
    }
    sha256_hex(str_of(out->ptr + before, out->len - before - 1), next.hash);
    *chain = next;
    return 0;
}

/* Take END off TEXT's end, if it is there. */
static bool take_off(struct str *text, struct str end)
{
    if (!str_has_suffix(*text, end))
        return false;
    text->len -= end.len;
    return true;
}

static bool is_hash(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (str_find(S("0123456789abcdef"), text.ptr[i]) < 0)
            return false;
    }
    return text.len == SHA256_HEX;
}

/* No client can write these members: between the quotes of a record's text
 * there is no quote without a backslash before it. */
bool audit_chain_read(struct str line, struct audit_link *link)
{
    struct str rest = line, previous = {0}, number;
    size_t digits = 0;

    if (take_off(&rest, S("\"}"))) {
        if (rest.len < SHA256_HEX)
            return false;
        previous = str_from_index(rest, rest.len - SHA256_HEX);
        rest.len -= SHA256_HEX;
        if (!is_hash(previous) || !take_off(&rest, S(BEFORE_PREVIOUS "\"")))
            return false;
    } else if (!take_off(&rest, S(BEFORE_PREVIOUS "null}"))) {
        return false;
    }
    while (digits < rest.len && rest.ptr[rest.len - 1 - digits] >= '0' &&
           rest.ptr[rest.len - 1 - digits] <= '9')
        digits++;
    number = str_from_index(rest, rest.len - digits);
    rest.len -= digits;
    if (!str_has_prefix(rest, S("{")) || !take_off(&rest, S(BEFORE_LINE)) ||
        str_to_u64(number, &link->line) != 0 || link->line == 0)
        return false;
    link->previous = previous;
    return true;
}

bool audit_chain_find_last(struct str tail, struct audit_chain *chain)
{
    struct audit_link link;

    while (tail.len) {
        size_t start = tail.len - 1;
        bool whole = tail.ptr[start] == '\n';
        struct str line;

        while (start > 0 && tail.ptr[start - 1] != '\n')
            start--;
        line = str_of(tail.ptr + start, tail.len - start - whole);
        tail.len = start;
        if (!whole || !audit_chain_read(line, &link))
            continue;
        chain->line = link.line;
        sha256_hex(line, chain->hash);
        return true;
    }
    return false;
}
