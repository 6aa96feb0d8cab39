/*
 * Loads each line of the standard input as a policy, and says on a line of its
 * own whether it is one: "good", or "bad" and why.
 */

#include <stdio.h>
#include <stdlib.h>

#include "policy/config/policy.h"

static const struct environment environment = {0};

static void load_line(struct str line)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(MIB);
    struct policy_source source = {
        .name = "line", .text = line, .environment = &environment};
    struct policy *policy = NULL;

    if (policy_load(&source, &policy, &why) == 0) {
        puts("good");
        policy_unref(policy);
        return;
    }
    const char *text = strbuf_cstr(&why);

    printf("bad %.*s\n", (int)strcspn(text, "\n"), text);
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t len;

    while ((len = getline(&line, &room, stdin)) > 0)
        load_line(str_of(line, (size_t)len));
    free(line);
    return 0;
}
