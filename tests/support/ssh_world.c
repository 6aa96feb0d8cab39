#include "tests/support/ssh_world.h"

#include <errno.h>
#include <fnmatch.h>

static int read_file(void *arg, const char *path, bool careful,
                     struct strbuf *out)
{
    const struct ssh_world *world = arg;

    for (size_t i = 0; i < world->count; i++) {
        const struct ssh_world_file *file = &world->files[i];

        if (strcmp(file->path, path) != 0)
            continue;
        if (careful && file->others)
            return -EPERM;
        return strbuf_add(out, file->text);
    }
    return -ENOENT;
}

static int find_files(void *arg, const char *pattern, struct strings *out)
{
    const struct ssh_world *world = arg;

    out->items = xcalloc(world->count + 1, sizeof(char *));
    for (size_t i = 0; i < world->count; i++)
        if (fnmatch(pattern, world->files[i].path, FNM_PATHNAME) == 0)
            out->items[out->count++] = xstrdup(world->files[i].path);
    return 0;
}

static const char *get_variable(void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "ONE") == 0 ? "1" : NULL;
}

void ssh_world_init(struct ssh_world *world)
{
    *world = (struct ssh_world){
        .reader = {read_file, find_files, world},
        .environment = {.get = get_variable,         .host_name = "box.example"},
    };
    world->machine = (struct ssh_config_machine){
        .reader = &world->reader,
        .environment = &world->environment,
        .user = "me",
        .home = "/home/me",
        .host = "box.example",
        .uid = 1000,
    };
}

void ssh_world_add(struct ssh_world *world, const char *path, struct str text)
{
    if (world->count < SSH_WORLD_FILES)
        world->files[world->count++] =
            (struct ssh_world_file){.path = path, .text = text};
}
