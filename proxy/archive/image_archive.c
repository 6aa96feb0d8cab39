#include "proxy/archive/image_archive.h"

#include <stdlib.h>

#include "policy/docker/namespace.h"
#include "proxy/archive/tar_reader.h"

struct image_archive {
    struct body_filter filter;
    struct tar_reader *reader;
    const struct archive_names *names;
    bool seen[ARCHIVE_FILES];
    enum archive_file file; /* which of them comes, or ARCHIVE_FILES */
    struct tar_entry entry; /* as it is written */
    struct strbuf json;     /* a file of names, as far as it has come */
    bool ended;
    struct verdict *why; /* of the call that runs */
};

static bool refuse_archive(struct image_archive *archive, const char *what)
{
    verdict_deny(archive->why, 400, "request.archive", "",
                 "the archive of images cannot be read: %s", what);
    return false;
}

static bool refuse_entry(struct image_archive *archive, const char *what)
{
    struct str name = str_from(tar_reader_entry(archive->reader)->name);

    verdict_deny(archive->why, 400, "request.archive", "",
                 "the archive's entry \"%.*s\" %s",
                 STR_FMT(str_head(name, 200)), what);
    return false;
}

/* ---- paths ---- */

/* PATH without "./" in front, and a folder's without a slash at its end. */
static struct str bare_path(const struct tar_entry *entry)
{
    struct str path = str_from(entry->name);

    while (str_has_prefix(path, S("./")))
        path = str_from_index(path, 2);
    if (entry->kind == TAR_FOLDER && str_has_suffix(path, S("/")))
        path.len--;
    return path;
}

static enum archive_file file_called(struct str path)
{
    size_t i = 0;

    while (i < ARCHIVE_FILES && !str_eq(path, archive_file_names[i]))
        i++;
    return (enum archive_file)i;
}

static bool is_clean(struct str path)
{
    struct str rest = path, part;
    bool more = true;

    for (size_t i = 0; i < path.len; i++) {
        if ((unsigned char)path.ptr[i] < 0x20 || path.ptr[i] == 0x7f)
            return false;
    }
    while (more) {
        more = str_cut(rest, '/', &part, &rest);
        if (part.len == 0 || str_eq(part, S(".")) || str_eq(part, S("..")))
            return false;
    }
    return true;
}

/* Is it beneath what can only be a file or a link? */
static bool is_beneath_file(struct str path)
{
    struct str rest, part;
    bool first = true;

    while (str_cut(path, '/', &part, &rest)) {
        if ((first && file_called(part) != ARCHIVE_FILES) ||
            str_eq(part, S("layer.tar")))
            return true;
        path = rest;
        first = false;
    }
    return false;
}

/* "<64 hex>" and then TAIL */
static bool is_hex_and(struct str text, struct str tail)
{
    return text.len == 64 + tail.len && is_full_id(str_head(text, 64)) &&
           str_has_suffix(text, tail);
}

static bool is_layer_link(struct str path, struct str target)
{
    struct str up = S("../");

    return is_hex_and(path, S("/layer.tar")) && str_has_prefix(target, up) &&
           (is_hex_and(str_from_index(target, up.len), S("/layer.tar")) ||
            is_hex_and(str_from_index(target, up.len), S(".tar")));
}

/* ---- entries ---- */

/* A folder "./", which says nothing. */
static bool is_root(const struct tar_entry *entry, struct str path)
{
    return entry->kind == TAR_FOLDER && (path.len == 0 || str_eq(path, S(".")));
}

static bool check_kind(struct image_archive *archive, struct str path)
{
    const struct tar_entry *entry = tar_reader_entry(archive->reader);

    switch (entry->kind) {
    case TAR_FILE:
    case TAR_FOLDER:
        return true;
    case TAR_SYMLINK:
        return is_layer_link(path, str_from(entry->link)) ||
               refuse_entry(archive, "is a symbolic link that leads elsewhere "
                                     "than to a layer");
    case TAR_HARD_LINK:
    case TAR_CHARACTER:
    case TAR_BLOCKS:
    case TAR_FIFO:
    case TAR_PAX:
    case TAR_GLOBAL:
    case TAR_LONG_NAME:
    case TAR_LONG_LINK:
    case TAR_OTHER:
        break;
    }
    return refuse_entry(archive, "is neither a file nor a folder");
}

static bool check_special(struct image_archive *archive, struct str path)
{
    const struct tar_entry *entry = tar_reader_entry(archive->reader);
    enum archive_file file = file_called(path);

    archive->file = file;
    if (file == ARCHIVE_FILES)
        return true;
    if (entry->kind != TAR_FILE)
        return refuse_entry(archive, "must be a plain file");
    if (archive->seen[file])
        return refuse_entry(archive, "is there twice");
    if (entry->size > LIMIT_ARCHIVE_JSON)
        return refuse_entry(archive, "is longer than can be judged");
    archive->seen[file] = true;
    strbuf_clear(&archive->json);
    return true;
}

static bool begin_entry(struct image_archive *archive, struct strbuf *out)
{
    const struct tar_entry *entry = tar_reader_entry(archive->reader);
    struct str path = bare_path(entry);

    archive->file = ARCHIVE_FILES;
    if (is_root(entry, path))
        return true;
    if (!is_clean(path) || is_beneath_file(path))
        return refuse_entry(archive, "has a path that is not plain");
    if (!check_kind(archive, path) || !check_special(archive, path))
        return false;
    archive->entry = *entry;
    if (!tar_set_name(archive->entry.name, path))
        return refuse_entry(archive, "has a path that is not plain");
    archive->entry.records = S("");
    if (entry->kind != TAR_SYMLINK)
        archive->entry.link[0] = '\0';
    if (archive->file == ARCHIVE_FILES && tar_entry_put(out, &archive->entry))
        return refuse_archive(archive, "there is no room for it");
    return true;
}

static bool take_content(struct image_archive *archive, struct str data,
                         struct strbuf *out)
{
    struct strbuf *to = archive->file == ARCHIVE_FILES ? out : &archive->json;

    return strbuf_add(to, data) == 0 ||
           refuse_archive(archive, "there is no room for it");
}

static bool put_padding(struct image_archive *archive, struct strbuf *out,
                        uint64_t size)
{
    static const char nuls[TAR_BLOCK];

    return strbuf_add(out, str_of(nuls, tar_padding(size))) == 0 ||
           refuse_archive(archive, "there is no room for it");
}

/* A file of names is there as a whole. */
static bool put_names(struct image_archive *archive, struct strbuf *out)
{
    AUTO(strbuf_fini) struct strbuf json = STRBUF(LIMIT_JSON_WRITTEN);
    struct str written = strbuf_str(&archive->json);

    if (archive->file != ARCHIVE_LAYOUT) {
        if (archive_names_rewrite(archive->file, written, archive->names, &json,
                                  archive->why))
            return false;
        written = strbuf_str(&json);
    }
    archive->entry.size = written.len;
    if (tar_entry_put(out, &archive->entry) || strbuf_add(out, written))
        return refuse_archive(archive, "there is no room for it");
    strbuf_fini(&archive->json);
    return put_padding(archive, out, written.len);
}

static bool end_entry(struct image_archive *archive, struct strbuf *out)
{
    const struct tar_entry *entry = tar_reader_entry(archive->reader);

    return archive->file == ARCHIVE_FILES
               ? put_padding(archive, out, entry->size)
               : put_names(archive, out);
}

static bool put_end(struct image_archive *archive, struct strbuf *out)
{
    static const char nuls[2 * TAR_BLOCK];

    archive->ended = true;
    return strbuf_add(out, str_of(nuls, sizeof(nuls))) == 0 ||
           refuse_archive(archive, "there is no room for it");
}

/* ---- bytes ---- */

static struct image_archive *archive_of(struct body_filter *filter)
{
    return (struct image_archive *)filter; /* its first member */
}

static bool image_archive_feed(struct body_filter *filter, struct str bytes,
                               struct strbuf *out, struct verdict *why)
{
    struct image_archive *archive = archive_of(filter);
    struct str data;
    bool good = true;

    archive->why = why;
    while (good) {
        switch (tar_reader_next(archive->reader, &bytes, &data)) {
        case TAR_MORE:
            return true;
        case TAR_ENTRY:
            good = begin_entry(archive, out);
            break;
        case TAR_CONTENT:
            good = take_content(archive, data, out);
            break;
        case TAR_DONE:
            good = end_entry(archive, out);
            break;
        case TAR_END:
            good = put_end(archive, out);
            break;
        case TAR_ERROR:
            good = refuse_archive(archive, tar_reader_error(archive->reader));
            break;
        }
    }
    return false;
}

static bool image_archive_end(struct body_filter *filter, struct strbuf *out,
                              struct verdict *why)
{
    struct image_archive *archive = archive_of(filter);

    archive->why = why;
    if (!tar_reader_eof(archive->reader))
        return refuse_archive(archive, tar_reader_error(archive->reader));
    return archive->ended || put_end(archive, out);
}

static size_t image_archive_memory(const struct body_filter *filter)
{
    return archive_of((struct body_filter *)(uintptr_t)filter)->json.cap;
}

static void image_archive_free(struct body_filter *filter)
{
    struct image_archive *archive = archive_of(filter);

    tar_reader_free(archive->reader);
    strbuf_fini(&archive->json);
    free(archive);
}

struct body_filter *image_archive_new(const struct archive_names *names)
{
    static const struct body_filter_kind kind = {
        image_archive_feed, image_archive_end, image_archive_memory,
        image_archive_free};
    struct image_archive *archive = xcalloc(1, sizeof(*archive));

    archive->filter.kind = &kind;
    archive->reader = tar_reader_new();
    archive->names = names;
    archive->file = ARCHIVE_FILES;
    archive->json = (struct strbuf)STRBUF(LIMIT_ARCHIVE_JSON);
    return &archive->filter;
}
