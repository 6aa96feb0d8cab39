#pragma once

/* The inside of metrics*.c, which write a picture for Prometheus. */

#include "proxy/metrics/metrics.h"

/* What is being written; once OUT is full, nothing more is. */
struct page {
    struct strbuf *out;
    int error;
};

/* One sample of NAME with the labels of FRONTEND, and KEY="WORD". */
void metrics_put_word(struct page *page, const char *name,
                      const struct frontend_view *frontend, const char *key,
                      const char *word, uint64_t value);

/* metrics_near.c: what is carried and copied for the runner's machine. */
typedef void metrics_put_berth(struct page *page, const char *name,
                               const struct frontend_view *frontend);
metrics_put_berth metrics_put_datagrams;
metrics_put_berth metrics_put_copied_bytes;
metrics_put_berth metrics_put_copied_files;
metrics_put_berth metrics_put_removed_files;
metrics_put_berth metrics_put_copy_rounds;
