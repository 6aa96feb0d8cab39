/* Gives every file of a directory to the fuzz target that it is linked with. */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "policy/base/str.h"
#include "tests/fuzz/fuzz.h"

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat st;
    uint8_t *bytes;
    size_t len;

    if (!file || fstat(fileno(file), &st) < 0) {
        perror(path);
        if (file)
            fclose(file);
        return -1;
    }
    /* no longer than the input, so that a read past its end shows */
    bytes = xcalloc(1, (size_t)st.st_size);
    len = fread(bytes, 1, (size_t)st.st_size, file);
    fclose(file);
    LLVMFuzzerTestOneInput(bytes, len);
    free(bytes);
    return 0;
}

int main(int argc, char **argv)
{
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    struct dirent *entry;
    size_t count = 0;
    char path[4096];

    if (!dir) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
        if (run_file(path) < 0)
            return 1;
        count++;
    }
    closedir(dir);
    printf("%zu inputs\n", count);
    return count ? 0 : 1;
}
