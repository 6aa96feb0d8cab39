#include "proxy/files/file_far.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy/files/file_content.h"
#include "proxy/files/file_scan.h"

struct far {
    int root;
    const struct file_limits *limits;
    struct file_stream *stream;
    struct file_apply apply;
    struct file_mounts mounts;
    struct file_table told;  /* what the other end knows */
    struct file_watch watch; /* of that */
    bool greeted;

    /* what was asked in this turn: paths with a NUL each, or answers */
    enum file_message_type asked; /* 0: nothing yet */
    size_t count;
    struct strbuf paths;
    struct strbuf answers;
};

static void far_init(struct far *far, int root,
                     const struct file_limits *limits,
                     struct file_stream *stream)
{
    *far = (struct far){
        .root = root,
        .limits = limits,
        .stream = stream,
        .paths = STRBUF(LIMIT_FILES_BATCH_TEXT),
        /* an answer repeats the texts of what it answers */
        .answers = STRBUF(LIMIT_FILES_BATCH_TEXT + LIMIT_FILES_BATCH * 128),
    };
    file_apply_init(&far->apply, root);
    file_watch_init(&far->watch);
    if (geteuid() == 0)
        far->apply.owner = FILE_OWNER_ENTRY;
}

static void far_fini(struct far *far)
{
    file_apply_fini(&far->apply);
    file_mounts_fini(&far->mounts);
    file_table_fini(&far->told);
    file_watch_fini(&far->watch);
    strbuf_fini(&far->paths);
    strbuf_fini(&far->answers);
}

static int send_entry(struct far *far, enum file_message_type type,
                      const struct file_entry *entry, enum file_status status)
{
    return file_stream_send(far->stream, &(struct file_message){
                                             .type = type,
                                             .status = status,
                                             .entry = *entry,
                                         });
}

static bool is_told(const struct file_entry *now, const struct file_entry *told)
{
    return file_entry_eq(now, told) && now->unsure == told->unsure;
}

/* Send how NOW differs from what was told. */
static int send_difference(struct far *far, const struct file_table *now)
{
    const struct file_table *told = &far->told;
    size_t i = 0, j = 0;
    int r = 0;

    while (r == 0 && (i < now->count || j < told->count)) {
        int order = i == now->count    ? 1
                    : j == told->count ? -1
                                       : file_path_order(now->rows[i]->path,
                                                         told->rows[j]->path);

        if (order > 0)
            r = send_entry(far, FILE_MSG_GONE, told->rows[j], FILE_DONE);
        else if (order < 0 || !is_told(now->rows[i], told->rows[j]))
            r = send_entry(far, FILE_MSG_ENTRY, now->rows[i], FILE_DONE);
        i += order <= 0;
        j += order >= 0;
    }
    return r;
}

static int answer_list(struct far *far, bool all)
{
    struct file_table now = {0};
    int r;

    file_apply_forget(&far->apply);
    if (all) {
        file_table_fini(&far->told);
        file_watch_forget(&far->watch);
    }
    r = file_scan(far->root, &far->mounts, far->limits, &far->told, &far->watch,
                  &now);
    if (r == 0 && !file_table_is_same(&now, &far->told))
        r = send_difference(far, &now);
    file_mounts_fini(&far->mounts); /* the next list says them anew */
    if (r < 0) {
        file_table_fini(&now);
        file_watch_forget(&far->watch);
        return r;
    }
    file_table_fini(&far->told);
    far->told = now; /* handed over */
    r = file_stream_send(far->stream, &(struct file_message){
                                          .type = FILE_MSG_LISTED,
                                          .number = far->told.count,
                                      });
    return r < 0 ? r : file_stream_flush(far->stream);
}

/* One more of TYPE in this turn, in which nothing else may be asked. */
static int ask(struct far *far, enum file_message_type type)
{
    if ((far->asked && far->asked != type) || far->count == LIMIT_FILES_BATCH)
        return -EBADMSG;
    far->asked = type;
    far->count++;
    return 0;
}

static int ask_path(struct far *far, const struct file_message *message)
{
    struct str path = message->entry.path;
    int r = ask(far, message->type);

    if (r == 0 && (strbuf_add(&far->paths, path) < 0 ||
                   strbuf_add_char(&far->paths, '\0') < 0))
        r = -EBADMSG;
    return r;
}

static int answer_hash(struct far *far, struct str path)
{
    struct file_entry entry = {.kind = FILE_OTHER, .path = path};
    enum file_status status = file_hash(far->root, path, far->limits, &entry);

    return send_entry(far, FILE_MSG_HASHED, &entry, status);
}

static int answer_want(struct far *far, struct str path)
{
    struct file_entry none = {.kind = FILE_OTHER, .path = path};
    struct file_reader reader;
    enum file_status status = file_reader_open(&reader, far->root, path, false);
    uint64_t bytes = 0;
    int r;

    if (status != FILE_DONE)
        return send_entry(far, FILE_MSG_FILE, &none, status);
    r = send_entry(far, FILE_MSG_FILE, &reader.entry, status);
    if (r < 0) {
        file_reader_close(&reader);
        return r;
    }
    return file_content_send(far->stream, &reader, &status, &bytes);
}

/* The turn ends: answer all that was asked by TYPE. */
static int answer_paths(struct far *far, enum file_message_type type,
                        int (*answer)(struct far *, struct str))
{
    const char *at = far->paths.ptr;
    int r = 0;

    if (far->count && far->asked != type)
        return -EBADMSG;
    for (size_t i = 0; r == 0 && i < far->count; i++) {
        struct str path = str_from(at);

        r = answer(far, path);
        at += path.len + 1;
    }
    strbuf_clear(&far->paths);
    far->asked = 0;
    far->count = 0;
    return r < 0 ? r : file_stream_flush(far->stream);
}

/* Remember what became of the name that MESSAGE is about. */
static int note(struct far *far, const struct file_entry *entry,
                enum file_status status)
{
    struct file_entry none = {.kind = FILE_OTHER, .path = entry->path};

    return file_wire_add(&far->answers,
                         &(struct file_message){
                             .type = FILE_MSG_APPLIED,
                             .status = status,
                             .entry = status == FILE_DONE ? *entry : none,
                         });
}

/* MESSAGE's text is gone once content is read, so this keeps the entry. */
static int put_file(struct far *far, const struct file_message *message)
{
    struct file_entry *asked = file_entry_new(&message->entry);
    struct file_entry now = *asked;
    enum file_status status;
    uint64_t bytes = 0;
    int r;

    file_apply_begin(&far->apply, asked, &message->before, message->flags);
    r = file_content_receive(far->stream, &far->apply, &status, &now, &bytes);
    now.path = asked->path;
    if (r == 0)
        r = note(far, &now, status);
    file_entry_unref(asked);
    return r;
}

static int put(struct far *far, const struct file_message *message)
{
    struct file_entry now = message->entry;
    enum file_status status;

    if (message->entry.kind == FILE_REGULAR)
        return put_file(far, message);
    status = file_apply_put(&far->apply, &message->entry, &message->before,
                            message->flags, &now);
    return note(far, &now, status);
}

static int apply(struct far *far, const struct file_message *message)
{
    struct file_entry now = message->entry;
    enum file_status status;
    int r = ask(far, FILE_MSG_PUT);

    if (r < 0)
        return r;
    if (message->type == FILE_MSG_PUT)
        return put(far, message);
    if (message->type == FILE_MSG_DELETE) {
        now.kind = FILE_OTHER;
        status = file_apply_delete(&far->apply, now.path, &message->before);
    } else {
        status = file_apply_meta(&far->apply, &message->entry, &message->before,
                                 &now);
    }
    return note(far, &now, status);
}

static int answer_applied(struct far *far)
{
    struct str answers = strbuf_str(&far->answers);
    struct file_message message;
    int r = 0;

    if (far->count && far->asked != FILE_MSG_PUT)
        return -EBADMSG;
    while (r == 0 && file_wire_next(&answers, &message) == 1)
        r = file_stream_send(far->stream, &message);
    strbuf_clear(&far->answers);
    far->asked = 0;
    far->count = 0;
    return r < 0 ? r : file_stream_flush(far->stream);
}

static int greet(struct far *far, const struct file_message *message)
{
    int r;

    if (far->greeted || message->type != FILE_MSG_HELLO)
        return -EBADMSG;
    if (message->number != FILE_WIRE_VERSION)
        return -EPROTONOSUPPORT;
    far->greeted = true;
    r = file_stream_send(far->stream, message);
    return r < 0 ? r : file_stream_flush(far->stream);
}

static int serve(struct far *far, const struct file_message *message)
{
    if (!far->greeted || message->type == FILE_MSG_HELLO)
        return greet(far, message);
    switch ((unsigned)message->type) {
    case FILE_MSG_MOUNT:
        return far->asked ? -EBADMSG
                          : file_mounts_add(&far->mounts, message->entry.path);
    case FILE_MSG_LIST:
        return far->asked ? -EBADMSG : answer_list(far, message->number);
    case FILE_MSG_HASH:
    case FILE_MSG_WANT:
        return ask_path(far, message);
    case FILE_MSG_HASH_END:
        return answer_paths(far, FILE_MSG_HASH, answer_hash);
    case FILE_MSG_WANT_END:
        return answer_paths(far, FILE_MSG_WANT, answer_want);
    case FILE_MSG_PUT:
    case FILE_MSG_DELETE:
    case FILE_MSG_META:
        return apply(far, message);
    case FILE_MSG_APPLY_END:
        return answer_applied(far);
    default:
        return -EBADMSG;
    }
}

int file_far_serve(int root, const struct file_limits *limits,
                   struct file_stream *stream)
{
    struct file_message message;
    struct far far;
    int r;

    far_init(&far, root, limits, stream);
    do {
        r = file_stream_next(stream, &message);
        if (r == 0) {
            r = serve(&far, &message);
            if (r < 0 && !stream->broken)
                file_stream_fail(stream, r);
        } else if (r == -EPIPE && !far.asked && !far.mounts.count &&
                   !stream->in.len) {
            r = 1; /* the end, where it may be */
        }
    } while (r == 0);
    far_fini(&far);
    return r == 1 ? 0 : r;
}
