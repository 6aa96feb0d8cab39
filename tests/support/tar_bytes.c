#include "tests/support/tar_bytes.h"

#include <assert.h>
#include <stdio.h>

#include "proxy/archive/tar_reader.h"

static void add_content(struct strbuf *out, struct str content)
{
    static const char nuls[TAR_BLOCK];

    assert(strbuf_add(out, content) == 0);
    assert(strbuf_add(out, str_of(nuls, tar_padding(content.len))) == 0);
}

void tar_add(struct strbuf *out, enum tar_kind kind, const char *name,
             const char *link, struct str content)
{
    struct tar_entry entry = {.kind = kind, .size = content.len, .mode = 0644};

    assert(tar_set_name(entry.name, str_from(name)));
    assert(!link || tar_set_name(entry.link, str_from(link)));
    assert(tar_entry_put(out, &entry) == 0);
    add_content(out, content);
}

void tar_add_raw(struct strbuf *out, char type, const char *magic,
                 const char *name, const char *link, struct str content)
{
    char block[TAR_BLOCK] = {0};
    unsigned sum = 0;

    snprintf(block, 100, "%s", name);
    snprintf(block + 100, 8, "0000644");
    snprintf(block + 124, 12, "%011llo", (unsigned long long)content.len);
    memset(block + 148, ' ', 8);
    block[156] = type;
    snprintf(block + 157, 100, "%s", link);
    memcpy(block + 257, magic, 8);
    for (size_t i = 0; i < sizeof(block); i++)
        sum += (unsigned char)block[i];
    snprintf(block + 148, 8, "%06o", sum);
    assert(strbuf_add(out, str_of(block, sizeof(block))) == 0);
    add_content(out, content);
}

void tar_add_end(struct strbuf *out)
{
    static const char nuls[2 * TAR_BLOCK];

    assert(strbuf_add(out, str_of(nuls, sizeof(nuls))) == 0);
}

static const char *kind_name(enum tar_kind kind)
{
    static const char *const names[] = {
        [TAR_FILE] = "file",           [TAR_FOLDER] = "folder",
        [TAR_SYMLINK] = "link",        [TAR_HARD_LINK] = "hard",
        [TAR_CHARACTER] = "character", [TAR_BLOCKS] = "blocks",
        [TAR_FIFO] = "fifo",           [TAR_OTHER] = "other",
    };

    return names[kind];
}

void tar_list(struct str archive, size_t step, struct strbuf *out)
{
    struct tar_reader *reader = tar_reader_new();
    enum tar_event event = TAR_MORE;
    const struct tar_entry *entry;
    struct str in = S(""), data;

    while (archive.len || event != TAR_MORE) {
        if (event == TAR_MORE) {
            in = str_head(archive, step);
            archive = str_from_index(archive, in.len);
        }
        event = tar_reader_next(reader, &in, &data);
        entry = tar_reader_entry(reader);
        if (event == TAR_ENTRY)
            strbuf_addf(out, "%s %s %llu%s%s ", kind_name(entry->kind),
                        entry->name, (unsigned long long)entry->size,
                        entry->link[0] ? " " : "", entry->link);
        else if (event == TAR_CONTENT)
            strbuf_add(out, data);
        else if (event == TAR_DONE)
            strbuf_addf(out, "\n%.*s", STR_FMT(entry->records));
        else if (event == TAR_END)
            strbuf_addf(out, "end\n");
        else if (event == TAR_ERROR)
            break;
    }
    if (event == TAR_ERROR || !tar_reader_eof(reader))
        strbuf_addf(out, "error %s\n", tar_reader_error(reader));
    tar_reader_free(reader);
}
