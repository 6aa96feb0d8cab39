/*
 * The input is a byte that chooses a message type, and a message. Property: a
 * message that is read is written so that it reads alike once more, and then
 * writes the same bytes: nobody can read it differently from us.
 */

#include <assert.h>

#include "policy/base/limits.h"
#include "policy/build/pb.h"
#include "policy/build/rpc.h"
#include "tests/fuzz/fuzz.h"

/* One of all types that travel, by CHOICE; NULL: there is none for it. */
static const struct pb_type *choose(uint8_t choice)
{
    const struct rpc_method *method =
        &rpc_methods[choice / 2u % rpc_method_count];

    return choice % 2 ? method->asked : method->answered;
}

static void read_and_write(const struct pb_type *type, struct str text,
                           enum pb_strictness strictness)
{
    struct pb_tree first = {0}, second = {0};
    struct strbuf once = STRBUF(MIB), twice = STRBUF(MIB);
    struct pb_message *message;
    struct pb_fault fault;

    if (pb_parse(&first, type, text, strictness, &message, &fault) == 0) {
        int r = pb_put(message, &once);

        assert(r == 0);
        r = pb_parse(&second, type, strbuf_str(&once), strictness, &message,
                     &fault);
        assert(r == 0);
        r = pb_put(message, &twice);
        assert(r == 0 && str_eq(strbuf_str(&once), strbuf_str(&twice)));
    }
    strbuf_fini(&once);
    strbuf_fini(&twice);
    pb_tree_fini(&first);
    pb_tree_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    const struct pb_type *type = len ? choose(bytes[0]) : NULL;
    struct str text;

    if (!type || len > 64 * KIB)
        return 0;
    text = str_of((const char *)bytes + 1, len - 1);
    read_and_write(type, text, PB_STRICT);
    read_and_write(type, text, PB_LENIENT);
    return 0;
}
