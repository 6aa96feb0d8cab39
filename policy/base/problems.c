#include "policy/base/problems.h"

#include <errno.h>
#include <stdlib.h>

#include "policy/base/limits.h"

void problems_add(struct problems *problems, const char *where, unsigned line,
                  unsigned column, struct str text)
{
    if (problems->count == LIMIT_PROBLEMS)
        return;
    if (problems->items == NULL)
        problems->items = xcalloc(LIMIT_PROBLEMS, sizeof(struct problem));
    problems->items[problems->count++] = (struct problem){
        .where = xstrdup(where),
        .line = line,
        .column = column,
        .text = xstr_dup(text),
    };
}

static int compare(const void *left, const void *right)
{
    const struct problem *a = left, *b = right;

    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    if (a->column != b->column)
        return a->column < b->column ? -1 : 1;
    return strcmp(a->text, b->text);
}

void problems_sort(struct problems *problems)
{
    if (problems->count > 1)
        qsort(problems->items, problems->count, sizeof(struct problem),
              compare);
}

int problems_put(const struct problems *problems, struct strbuf *out)
{
    for (size_t i = 0; i < problems->count; i++) {
        const struct problem *p = &problems->items[i];
        int r = strbuf_addf(out, "%s:", p->where);

        if (r == 0 && p->line > 0)
            r = strbuf_addf(out, "%u:%u:", p->line, p->column);
        if (r == 0)
            r = strbuf_addf(out, " %s\n", p->text);
        if (r < 0)
            return r;
    }
    return 0;
}

void problems_fini(struct problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        free(problems->items[i].where);
        free(problems->items[i].text);
    }
    free(problems->items);
    *problems = (struct problems){0};
}
