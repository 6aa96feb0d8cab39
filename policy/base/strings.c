#include "policy/base/strings.h"

#include <stdlib.h>

void strings_add(struct strings *list, struct str text)
{
    char **items = xcalloc(list->count + 1, sizeof(char *));

    for (size_t i = 0; i < list->count; i++)
        items[i] = list->items[i];
    items[list->count] = xstr_dup(text);
    free(list->items);
    list->items = items;
    list->count++;
}

void strings_fini(struct strings *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct strings){0};
}
