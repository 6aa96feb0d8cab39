#pragma once

/* The content of a file on its way: pieces and holes, and how it ended. */

#include "proxy/files/file_apply.h"
#include "proxy/files/file_read.h"
#include "proxy/files/file_stream.h"

/*
 * Send all of READER and close it. Returns 0 or what the stream failed with;
 * *STATUS is what the other end was told. *BYTES counts what was sent.
 */
int file_content_send(struct file_stream *stream, struct file_reader *reader,
                      enum file_status *status, uint64_t *bytes);

/*
 * Receive what file_content_send() sends, after file_apply_begin(). Returns 0
 * or what the stream failed with. *STATUS and *NOW are what
 * file_apply_commit() said; or the other end's status, and nothing has changed.
 * If the other end knew the hash, *NOW has it.
 */
int file_content_receive(struct file_stream *stream, struct file_apply *apply,
                         enum file_status *status, struct file_entry *now,
                         uint64_t *bytes);
