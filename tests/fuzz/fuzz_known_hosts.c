/*
 * The input is a known_hosts file. Property: no key is vouched for whose text
 * is not in the file, and the line that is named is one of the file's.
 */

#include <assert.h>

#include "proxy/ssh/known_hosts.h"
#include "tests/fuzz/fuzz.h"

#define KEY      "ssh-ed25519 A"
#define KEY_TEXT "c3NoLWVkMjU1MTkgQQ=="

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct known_host hosts[] = {
        {STR("h.example"), 22  },
        {STR("h.example"), 2222},
        {STR("::1"),       22  },
        {STR(""),          22  },
    };
    struct str text = str_of((const char *)data, size);
    unsigned lines = 1;

    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
        struct known_hosts_types types;
        unsigned line = 0;
        int r = known_hosts_check(text, hosts[i], S(KEY), &line);

        assert(line <= lines);
        if (r == 0)
            assert(memmem(data, size, KEY_TEXT, strlen(KEY_TEXT)));
        assert((line == 0) == (r == KNOWN_HOSTS_E_UNKNOWN));
        known_hosts_types(text, hosts[i], &types);
        assert(types.count <= KNOWN_HOSTS_TYPES);
    }
    return 0;
}
