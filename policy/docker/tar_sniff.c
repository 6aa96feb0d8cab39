#include "policy/docker/tar_sniff.h"

static const struct str magics[] = {
    STR("\x1f\x8b\x08"), /* gzip */
    STR("BZh"),          /* bzip2 */
    STR("\xfd"
        "7zXZ\0"),           /* xz */
    STR("\x28\xb5\x2f\xfd"), /* zstd */
};

/* zstd again: a frame to skip, of sixteen kinds, in which LEN bytes tell. */
static bool begins_skippable(struct str bytes, size_t len)
{
    return len == 0 || ((bytes.ptr[0] & 0xf0) == 0x50 &&
                        memcmp(bytes.ptr + 1, "\x2a\x4d\x18", len - 1) == 0);
}

bool tar_is_compressed(struct str first_bytes)
{
    for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
        if (str_has_prefix(first_bytes, magics[i]))
            return true;
    }
    return first_bytes.len >= 4 && begins_skippable(first_bytes, 4);
}

bool tar_may_be_compressed(struct str first_bytes)
{
    for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
        if (str_has_prefix(magics[i], first_bytes))
            return true;
    }
    return first_bytes.len < 4 &&
           begins_skippable(first_bytes, first_bytes.len);
}
