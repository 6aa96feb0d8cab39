#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/companion/companion.h"
#include "proxy/companion/wire.h"

static unsigned number_of(const char *text, int base)
{
    return (unsigned)strtoul(text, NULL, base);
}

static int files_in(char **words)
{
    const struct companion_folder folder = {
        .directory = words[0],
        .mode = number_of(words[1], 8),
        .uid = number_of(words[2], 10),
        .gid = number_of(words[3], 10),
        .entries = strtoull(words[4], NULL, 10),
        .bytes = strtoull(words[5], NULL, 10),
    };

    return companion_files(&folder);
}

int main(int count, char **words)
{
    if (count == 5 && strcmp(words[1], "hold") == 0)
        return companion_hold(COMPANION_ADDRESS, words[2],
                              number_of(words[3], 8), number_of(words[4], 10));
    if (count == 3 && strcmp(words[1], "session") == 0 &&
        strlen(words[2]) == WIRE_NONCE)
        return companion_session_join(COMPANION_ADDRESS, words[2]);
    if (count == 2 && strcmp(words[1], "idle") == 0)
        return companion_idle();
    if (count == 3 && strcmp(words[1], "wait") == 0)
        return companion_wait(number_of(words[2], 10));
    if (count == 3 && strcmp(words[1], "relay") == 0 &&
        strlen(words[2]) == WIRE_NONCE)
        return companion_relay(STDIN_FILENO, STDOUT_FILENO, words[2]);
    if (count == 8 && strcmp(words[1], "files") == 0)
        return files_in(words + 2);
    return companion_say(COMPANION_USAGE,
                         "hold DIRECTORY MODE SECONDS, session NONCE, idle, "
                         "files DIRECTORY MODE UID GID ENTRIES BYTES, wait "
                         "SECONDS, or relay NONCE");
}
