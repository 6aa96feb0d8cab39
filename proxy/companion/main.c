#include <stdlib.h>
#include <string.h>

#include "proxy/companion/companion.h"
#include "proxy/companion/wire.h"

static unsigned number_of(const char *text, int base)
{
    return (unsigned)strtoul(text, NULL, base);
}

int main(int count, char **words)
{
    if (count == 5 && strcmp(words[1], "hold") == 0)
        return companion_hold(COMPANION_ADDRESS, words[2],
                              number_of(words[3], 8), number_of(words[4], 10));
    if (count == 3 && strcmp(words[1], "session") == 0 &&
        strlen(words[2]) == WIRE_NONCE)
        return companion_session_join(COMPANION_ADDRESS, words[2]);
    return companion_say(COMPANION_USAGE,
                         "hold DIRECTORY MODE SECONDS, or session NONCE");
}
