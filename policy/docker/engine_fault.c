#include "policy/docker/engine_fault.h"

#include <ctype.h>

#define NUMBERS 3 /* of a version */

// clang-format off
static const struct engine_fault faults[] = {
    {"Engine", "CVE-2024-29018", {"23.0.11", "25.0.5", "26.0.0"}, 1,
     "containers on internal networks can send data out by DNS"},
    {"Engine", "CVE-2025-54410", {"25.0.13", "28.0.0"}, 1,
     "a reload of firewalld opens bridge networks to each other"},
    {"Engine", "CVE-2026-41567", {"29.5.1"}, 1,
     "docker cp of a compressed archive runs a program of the container's as "
     "root on the host; deny \"PutContainerArchive\""},
    {"runc", "CVE-2024-21626", {"1.1.12"}, 2,
     "an image or a working directory can lead out of the container"},
    {"runc", "CVE-2025-31133", {"1.2.8", "1.3.3", "1.4.0"}, 2,
     "a container can write to the host's /proc while it is made"},
};
// clang-format on

#define COUNT (sizeof(faults) / sizeof(*faults))

/* The numbers at the front of TEXT; those that are missing are 0. */
static void read_version(struct str text, uint64_t numbers[NUMBERS])
{
    for (int i = 0; i < NUMBERS; i++) {
        size_t len = 0;

        numbers[i] = 0;
        while (len < text.len && isdigit((unsigned char)text.ptr[len]))
            len++;
        if (str_to_u64(str_head(text, len), &numbers[i]) < 0)
            numbers[i] = 0;
        text = str_from_index(text, len);
        if (text.len && text.ptr[0] == '.')
            text = str_from_index(text, 1);
        else
            text.len = 0;
    }
}

static int compare(const uint64_t *a, const uint64_t *b, unsigned numbers)
{
    for (unsigned i = 0; i < numbers; i++) {
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    }
    return 0;
}

static bool is_fixed(const struct engine_fault *fault, struct str version)
{
    uint64_t have[NUMBERS], good[NUMBERS];
    int same_line = 1, newer = -1;

    read_version(version, have);
    for (size_t i = 0;
         i < sizeof(fault->fixed) / sizeof(*fault->fixed) && fault->fixed[i];
         i++) {
        read_version(str_from(fault->fixed[i]), good);
        newer = compare(have, good, NUMBERS);
        same_line = compare(have, good, fault->line);
        if (same_line == 0 && newer >= 0)
            return true;
    }
    return newer >= 0; /* than the last one */
}

const struct engine_fault *engine_fault_next(const struct engine_fault *after,
                                             struct str component,
                                             struct str version)
{
    for (size_t i = after ? (size_t)(after - faults) + 1 : 0; i < COUNT; i++) {
        if (str_eq(str_from(faults[i].component), component) &&
            !is_fixed(&faults[i], version))
            return &faults[i];
    }
    return NULL;
}
