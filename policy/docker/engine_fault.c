#include "policy/docker/engine_fault.h"

#include <ctype.h>
#include <string.h>

#define NUMBERS 3 /* of a version */

// clang-format off
static const struct engine_fault faults[] = {
    {"Engine", "CVE-2024-29018", {"23.0.11", "25.0.5", "26.0.0"}, 1,
     "containers on internal networks can send data out by DNS"},
    {"Engine", "CVE-2025-54410", {"25.0.13", "28.0.0"}, 1,
     "a reload of firewalld opens bridge networks to each other"},
    {"Engine", "CVE-2026-33747 and CVE-2026-33748", {"29.3.1"}, 1,
     "a build's frontend can write, and a Git URL's directory lead, outside of "
     "BuildKit's own; leave build.frontends and build.remotes empty"},
    {"Engine", "CVE-2026-41567, CVE-2026-41568 and CVE-2026-42306",
     {"25.0.17", "29.5.1"}, 1,
     "docker cp runs programs and writes files of a container's choice as root "
     "on the host; deny \"PutContainerArchive\" and \"ContainerArchive\""},
    {"Engine", "CVE-2026-61711", {"29.6.1"}, 1,
     "a build's frontend can turn off seccomp and AppArmor; leave "
     "build.frontends empty and build.llb off"},
    {"Engine", "CVE-2026-15789, CVE-2026-15791 and CVE-2026-15793", {"29.6.2"}, 1,
     "a build can write files beside BuildKit's own on the host, empty its "
     "/tmp and, from Git, run commands; deny \"build\""},
    {"Engine", "CVE-2026-93318", {"29.8.2"}, 1,
     "a build can put something else into the cache that others use; give "
     "each runner a build.cache of its own"},
    {"containerd", "CVE-2025-47290", {"2.1.1"}, 2,
     "an image can write to the host while it is unpacked", .since = "2.1.0"},
    {"runc", "CVE-2024-21626", {"1.1.12"}, 2,
     "an image or a working directory can lead out of the container"},
    {"runc", "CVE-2025-31133, CVE-2025-52565 and CVE-2025-52881",
     {"1.2.8", "1.3.3", "1.4.0"}, 2,
     "a container can write to the host's /proc while it is made"},
};
// clang-format on

#define COUNT (sizeof(faults) / sizeof(*faults))

/* The numbers at the front of TEXT, behind a "v"; those that are missing are 0.
 */
static void read_version(struct str text, uint64_t numbers[NUMBERS])
{
    if (text.len && text.ptr[0] == 'v')
        text = str_from_index(text, 1);
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
    if (fault->since) {
        read_version(str_from(fault->since), good);
        if (compare(have, good, NUMBERS) < 0)
            return true;
    }
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

static bool holds(struct str text, const char *part)
{
    return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

bool engine_fault_is_packaged(struct str version)
{
    static const char *const marks[] = {"+",   "~",   "ubuntu", ".el",
                                        ".fc", ".az", ".amzn",  ".suse"};

    for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
        if (holds(version, marks[i]))
            return true;
    }
    return false;
}
