#include "proxy/archive/build_context.h"

#include <errno.h>
#include <stdlib.h>

#include "policy/docker/context_path.h"
#include "policy/docker/ignore_file.h"
#include "proxy/archive/tar_reader.h"

/* What is held, by its place in struct context. */
enum held_name {
    HELD_DOCKERFILE,
    HELD_LOWERCASE, /* "dockerfile", where "Dockerfile" is asked for */
    HELD_IGNORE,
    HELD_COUNT,
};

struct held {
    bool there;
    struct tar_entry entry;
    struct strbuf records; /* the entry's */
    struct strbuf content;
};

struct context {
    struct body_filter filter;
    struct tar_reader *reader;
    struct strbuf path; /* of the Dockerfile, clean */
    struct strbuf name; /* of the entry that is read, clean */
    struct held held[HELD_COUNT];
    struct held *holding; /* the content that comes is for this one, or NULL */
    struct tar_entry entry; /* as it is written */
};

static struct context *context_of(const struct body_filter *filter)
{
    return (struct context *)(uintptr_t)filter;
}

static bool refuse(struct verdict *why, const char *what)
{
    verdict_deny(why, 400, "build.context", "",
                 "the context of this build cannot be read: %s", what);
    return false;
}

static bool refuse_entry(const struct context *c, struct verdict *why,
                         const char *what)
{
    struct str name = str_from(tar_reader_entry(c->reader)->name);

    verdict_deny(why, 400, "build.context", "",
                 "in the context of this build \"%.*s\" %s",
                 STR_FMT(str_head(name, 200)), what);
    return false;
}

/* ---- the files that are held ---- */

static struct str held_path(const struct context *c, enum held_name which)
{
    switch (which) {
    case HELD_DOCKERFILE:
        return strbuf_str(&c->path);
    case HELD_LOWERCASE:
        return str_eq(strbuf_str(&c->path), S("Dockerfile")) ? S("dockerfile")
                                                             : S("");
    case HELD_IGNORE:
    case HELD_COUNT:
        break;
    }
    return S(".dockerignore");
}

/* Which of them PATH is, or HELD_COUNT. */
static enum held_name find_held(const struct context *c, struct str path)
{
    enum held_name which = HELD_DOCKERFILE;

    while (which < HELD_COUNT && !str_eq(held_path(c, which), path))
        which++;
    return which;
}

/* Is PATH a folder that one of them lies in? */
static bool leads_to_held(const struct context *c, struct str path)
{
    for (enum held_name i = HELD_DOCKERFILE; i < HELD_COUNT; i++) {
        if (path.len && context_path_is_in(held_path(c, i), path))
            return true;
    }
    return false;
}

static bool begin_held(struct context *c, enum held_name which,
                       struct verdict *why)
{
    const struct tar_entry *entry = tar_reader_entry(c->reader);
    struct held *held = &c->held[which];

    if (held->there)
        return refuse_entry(c, why, "is there twice");
    if (entry->kind == TAR_SYMLINK || entry->kind == TAR_HARD_LINK)
        return refuse_entry(c, why,
                            "is a link; berth reads the Dockerfile before the "
                            "engine does, and does not follow links: name the "
                            "file itself (docker build -f FILE)");
    if (entry->kind != TAR_FILE)
        return refuse_entry(c, why, "is no file");
    if (entry->size > LIMIT_DOCKERFILE)
        return refuse_entry(c, why, "is longer than berth reads (1 MiB)");
    held->there = true;
    held->entry = *entry;
    if (strbuf_add(&held->records, entry->records))
        return refuse_entry(c, why, "has records that are too long");
    c->holding = held;
    return true;
}

/* ---- entries ---- */

/* A hard link to a file that is held would be one to nothing. */
static bool check_link(struct context *c, struct verdict *why)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_TAR_NAME);
    const struct tar_entry *entry = tar_reader_entry(c->reader);

    if (context_path_clean(&target, str_from(entry->link)))
        return refuse_entry(c, why, "is a link to outside of it");
    if (find_held(c, strbuf_str(&target)) != HELD_COUNT)
        return refuse_entry(c, why,
                            "is a hard link to the Dockerfile or the "
                            ".dockerignore; send it as a file");
    return tar_set_name(c->entry.link, strbuf_str(&target)) ||
           refuse_entry(c, why, "is a link to nothing");
}

static bool check_kind(struct context *c, struct verdict *why)
{
    const struct tar_entry *entry = tar_reader_entry(c->reader);
    struct str path = strbuf_str(&c->name);

    if (entry->kind != TAR_FOLDER && (path.len == 0 || leads_to_held(c, path)))
        return refuse_entry(c, why,
                            "is no folder, but the Dockerfile is said to lie "
                            "in it; name where it really is (docker build -f "
                            "FILE)");
    switch (entry->kind) {
    case TAR_FILE:
    case TAR_FOLDER:
    case TAR_SYMLINK:
    case TAR_CHARACTER:
    case TAR_BLOCKS:
    case TAR_FIFO:
        return true;
    case TAR_HARD_LINK:
        return check_link(c, why);
    case TAR_PAX:
    case TAR_GLOBAL:
    case TAR_LONG_NAME:
    case TAR_LONG_LINK:
    case TAR_OTHER:
        break;
    }
    return refuse_entry(c, why, "is of a kind that berth does not know");
}

/* The entry that is sent: the same, under its clean name. */
static bool put_entry(struct context *c, struct strbuf *out,
                      struct verdict *why)
{
    AUTO(strbuf_fini) struct strbuf name = STRBUF(LIMIT_TAR_NAME + 2);

    if (c->name.len == 0)
        strbuf_add_char(&name, '.');
    strbuf_add(&name, strbuf_str(&c->name));
    if (c->entry.kind == TAR_FOLDER)
        strbuf_add_char(&name, '/');
    if (!tar_set_name(c->entry.name, strbuf_str(&name)))
        return refuse_entry(c, why, "has a name that is too long");
    return tar_entry_put(out, &c->entry) == 0 ||
           refuse_entry(c, why, "is too long");
}

static bool begin_entry(struct context *c, struct strbuf *out,
                        struct verdict *why)
{
    const struct tar_entry *entry = tar_reader_entry(c->reader);
    struct str own = S(BUILD_CONTEXT_DOCKERFILE);
    enum held_name which;

    c->holding = NULL;
    strbuf_clear(&c->name);
    if (context_path_clean(&c->name, str_from(entry->name)))
        return refuse_entry(c, why, "lies outside of it");
    if (str_eq(strbuf_str(&c->name), own) ||
        context_path_is_in(strbuf_str(&c->name), own))
        return refuse_entry(c, why, "has a name that is berth's own");
    which = find_held(c, strbuf_str(&c->name));
    if (which != HELD_COUNT && strbuf_str(&c->name).len)
        return begin_held(c, which, why);
    c->entry = *entry;
    return check_kind(c, why) && put_entry(c, out, why);
}

static bool put_padding(struct strbuf *out, uint64_t size)
{
    static const char zeros[TAR_BLOCK];

    return strbuf_add(out, str_of(zeros, tar_padding(size))) == 0;
}

static bool take_event(struct context *c, enum tar_event event, struct str data,
                       struct strbuf *out, struct verdict *why)
{
    switch (event) {
    case TAR_ENTRY:
        return begin_entry(c, out, why);
    case TAR_CONTENT:
        return strbuf_add(c->holding ? &c->holding->content : out, data) == 0 ||
               refuse(why, "there is no room for it");
    case TAR_DONE:
        return c->holding ||
               put_padding(out, tar_reader_entry(c->reader)->size) ||
               refuse(why, "there is no room for it");
    case TAR_MORE:
    case TAR_END:
        return true;
    case TAR_ERROR:
        break;
    }
    return refuse(why, tar_reader_error(c->reader));
}

static bool feed(struct body_filter *filter, struct str bytes,
                 struct strbuf *out, struct verdict *why)
{
    struct context *c = context_of(filter);
    enum tar_event event;

    do {
        struct str data;

        event = tar_reader_next(c->reader, &bytes, &data);
        if (!take_event(c, event, data, out, why))
            return false;
    } while (event != TAR_MORE && event != TAR_END);
    return true;
}

/* ---- the end ---- */

static struct held *dockerfile_of(struct context *c)
{
    struct held *held = &c->held[HELD_DOCKERFILE];

    return held->there ? held : &c->held[HELD_LOWERCASE];
}

static bool end(struct body_filter *filter, struct strbuf *out,
                struct verdict *why)
{
    struct context *c = context_of(filter);
    const struct held *held = dockerfile_of(c);

    (void)out;
    if (!tar_reader_eof(c->reader))
        return refuse(why, tar_reader_error(c->reader));
    if (!held->there) {
        verdict_deny(why, 400, "build.dockerfile", "",
                     "Cannot locate specified Dockerfile: %.*s",
                     STR_FMT(str_head(strbuf_str(&c->path), 200)));
        return false;
    }
    if (held->content.len == 0) {
        verdict_deny(why, 400, "build.dockerfile", "",
                     "the Dockerfile (%.*s) cannot be empty",
                     STR_FMT(str_head(strbuf_str(&c->path), 200)));
        return false;
    }
    return true;
}

struct str build_context_dockerfile(const struct body_filter *context)
{
    return strbuf_str(&dockerfile_of(context_of(context))->content);
}

static int put_file(struct strbuf *out, const struct tar_entry *like,
                    struct str name, struct str content)
{
    struct tar_entry entry = *like;
    int r = 0;

    entry.size = content.len;
    if (!tar_set_name(entry.name, name))
        return -EINVAL;
    r = tar_entry_put(out, &entry);
    if (r == 0)
        r = strbuf_add(out, content);
    return r || !put_padding(out, content.len) ? -ENOBUFS : 0;
}

/* Put it where it was, unless the engine would take it away. */
static int put_held(struct context *c, enum held_name which, struct strbuf *out)
{
    struct held *held = &c->held[which];
    struct str path = held_path(c, which);

    if (!held->there ||
        (held == dockerfile_of(c) &&
         ignore_file_excludes(strbuf_str(&c->held[HELD_IGNORE].content), path)))
        return 0;
    held->entry.records = strbuf_str(&held->records);
    return put_file(out, &held->entry, path, strbuf_str(&held->content));
}

static const struct tar_entry plain_entry = {
    .kind = TAR_FILE, .type = '0', .mode = 0644};

/* The client's, or one that names itself as well: nothing of it is left. */
static int put_ignore(struct context *c, struct strbuf *out)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_DOCKERFILE + KIB);
    struct held *held = &c->held[HELD_IGNORE];
    struct str old = strbuf_str(&held->content);

    strbuf_add(&text, held->there ? old : S(".dockerignore\n"));
    if (text.len && text.ptr[text.len - 1] != '\n')
        strbuf_add_char(&text, '\n');
    strbuf_add(&text, S(BUILD_CONTEXT_DOCKERFILE "\n"));
    held->entry.records = strbuf_str(&held->records);
    return put_file(out, held->there ? &held->entry : &plain_entry,
                    S(".dockerignore"), strbuf_str(&text));
}

int build_context_finish(struct body_filter *context, struct str built,
                         struct strbuf *out)
{
    static const char end_blocks[2 * TAR_BLOCK];
    struct context *c = context_of(context);
    int r = put_held(c, HELD_DOCKERFILE, out);

    if (r == 0)
        r = put_held(c, HELD_LOWERCASE, out);
    if (r == 0)
        r = put_ignore(c, out);
    if (r == 0)
        r = put_file(out, &plain_entry, S(BUILD_CONTEXT_DOCKERFILE), built);
    if (r == 0)
        r = strbuf_add(out, str_of(end_blocks, sizeof(end_blocks)));
    return r;
}

/* ---- life ---- */

static size_t context_memory(const struct body_filter *filter)
{
    const struct context *c = context_of(filter);
    size_t sum = 0;

    for (enum held_name i = HELD_DOCKERFILE; i < HELD_COUNT; i++)
        sum += c->held[i].records.cap + c->held[i].content.cap;
    return sum;
}

static void context_free(struct body_filter *filter)
{
    struct context *c = context_of(filter);

    for (enum held_name i = HELD_DOCKERFILE; i < HELD_COUNT; i++) {
        strbuf_fini(&c->held[i].records);
        strbuf_fini(&c->held[i].content);
    }
    tar_reader_free(c->reader);
    strbuf_fini(&c->path);
    strbuf_fini(&c->name);
    free(c);
}

static const struct body_filter_kind context_kind = {feed, end, context_memory,
                                                     context_free};

struct body_filter *build_context_new(struct str dockerfile,
                                      struct verdict *why)
{
    struct context *c = xcalloc(1, sizeof(*c));

    c->filter.kind = &context_kind;
    c->reader = tar_reader_new();
    c->path = (struct strbuf)STRBUF(LIMIT_TAR_NAME);
    c->name = (struct strbuf)STRBUF(LIMIT_TAR_NAME);
    for (enum held_name i = HELD_DOCKERFILE; i < HELD_COUNT; i++) {
        c->held[i].records = (struct strbuf)STRBUF(LIMIT_TAR_PAX);
        c->held[i].content = (struct strbuf)STRBUF(LIMIT_DOCKERFILE);
    }
    if (context_path_clean(&c->path,
                           dockerfile.len ? dockerfile : S("Dockerfile")) ||
        c->path.len == 0) {
        verdict_deny(why, 400, "build.dockerfile", "query dockerfile",
                     "forbidden path outside the build context: %.*s",
                     STR_FMT(str_head(dockerfile, 200)));
        context_free(&c->filter);
        return NULL;
    }
    return &c->filter;
}
