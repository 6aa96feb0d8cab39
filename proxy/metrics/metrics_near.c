#include "proxy/metrics/metrics_private.h"

void metrics_put_datagrams(struct page *page, const char *name,
                           const struct frontend_view *frontend)
{
    metrics_put_word(page, name, frontend, "direction", "in",
                     frontend->datagrams_in);
    metrics_put_word(page, name, frontend, "direction", "out",
                     frontend->datagrams_out);
}

void metrics_put_copied_bytes(struct page *page, const char *name,
                              const struct frontend_view *frontend)
{
    metrics_put_word(page, name, frontend, "to", "engine",
                     frontend->copies.bytes_out);
    metrics_put_word(page, name, frontend, "to", "runner",
                     frontend->copies.bytes_in);
}

void metrics_put_copied_files(struct page *page, const char *name,
                              const struct frontend_view *frontend)
{
    metrics_put_word(page, name, frontend, "to", "engine",
                     frontend->copies.files_out);
    metrics_put_word(page, name, frontend, "to", "runner",
                     frontend->copies.files_in);
}

void metrics_put_removed_files(struct page *page, const char *name,
                               const struct frontend_view *frontend)
{
    metrics_put_word(page, name, frontend, "to", "engine",
                     frontend->copies.removed_out);
    metrics_put_word(page, name, frontend, "to", "runner",
                     frontend->copies.removed_in);
}

void metrics_put_copy_rounds(struct page *page, const char *name,
                             const struct frontend_view *frontend)
{
    const struct copies_view *copies = &frontend->copies;

    metrics_put_word(page, name, frontend, "result", "done",
                     copies->rounds - copies->failed);
    metrics_put_word(page, name, frontend, "result", "failed", copies->failed);
}
