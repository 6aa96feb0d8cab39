#include "proxy/files/file_content.h"

#include <errno.h>

int file_content_send(struct file_stream *stream, struct file_reader *reader,
                      enum file_status *status, uint64_t *bytes)
{
    char room[LIMIT_FILES_PIECE];
    struct file_message message;
    int r = 0;

    for (;;) {
        message = (struct file_message){.type = FILE_MSG_DATA};
        *status = file_reader_next(reader, room, sizeof(room), &message.data,
                                   &message.number);
        if (*status != FILE_DONE || (!message.data.len && !message.number))
            break;
        if (message.number)
            message.type = FILE_MSG_HOLE;
        *bytes += message.data.len;
        r = file_stream_send(stream, &message);
        if (r < 0)
            break;
    }
    file_reader_close(reader);
    if (r < 0)
        return r;
    message = (struct file_message){
        .type = FILE_MSG_DATA_END,
        .status = *status,
        .entry = reader->entry,
    };
    return file_stream_send(stream, &message);
}

int file_content_receive(struct file_stream *stream, struct file_apply *apply,
                         enum file_status *status, struct file_entry *now,
                         uint64_t *bytes)
{
    struct file_message message;
    uint64_t left = apply->entry->stamp.size, len;
    int r;

    for (;;) {
        r = file_stream_next(stream, &message);
        if (r < 0 ||
            (message.type != FILE_MSG_DATA && message.type != FILE_MSG_HOLE))
            break;
        len = message.data.len + message.number;
        if (len == 0 || len > left) {
            r = -EBADMSG; /* a file is never longer than was said */
            break;
        }
        left -= len;
        *bytes += message.data.len;
        if (message.type == FILE_MSG_DATA)
            file_apply_data(apply, message.data);
        else
            file_apply_hole(apply, message.number);
    }
    if (r == 0 && message.type != FILE_MSG_DATA_END)
        r = -EBADMSG;
    if (r < 0 || message.status != FILE_DONE) {
        file_apply_abandon(apply);
        *status = r < 0 ? FILE_TROUBLE : message.status;
        return r;
    }
    *status = file_apply_commit(apply, now);
    if (*status == FILE_DONE && message.entry.has_hash) {
        now->has_hash = true;
        memcpy(now->hash, message.entry.hash, FILE_HASH_BYTES);
    }
    return 0;
}
