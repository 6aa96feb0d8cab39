#include "proxy/grpc/h2_private.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void h2_out_of_memory(void)
{
    fputs("berth: out of memory\n", stderr);
    abort();
}

void h2_must(int r)
{
    if (r == NGHTTP2_ERR_NOMEM)
        h2_out_of_memory();
    assert(r == 0);
}

void h2_fail(struct h2 *h2, const char *why)
{
    if (!h2->failed)
        h2->fault = why;
    h2->failed = true;
}
