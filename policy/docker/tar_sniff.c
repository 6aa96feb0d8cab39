#include "policy/docker/tar_sniff.h"

bool tar_is_compressed(struct str first_bytes)
{
    static const struct str magics[] = {
        STR("\x1f\x8b\x08"), /* gzip */
        STR("BZh"),          /* bzip2 */
        STR("\xfd"
            "7zXZ\0"),           /* xz */
        STR("\x28\xb5\x2f\xfd"), /* zstd */
    };

    for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
        if (str_has_prefix(first_bytes, magics[i]))
            return true;
    }
    /* zstd again: a frame to skip, of sixteen kinds */
    return first_bytes.len >= 4 && (first_bytes.ptr[0] & 0xf0) == 0x50 &&
           memcmp(first_bytes.ptr + 1, "\x2a\x4d\x18", 3) == 0;
}
