#pragma once

/*
 * A list of an engine's as it comes, without what is another namespace's: what
 * others have made must neither fill what berth holds of a reply nor slow its
 * reading down. Elements are looked at one by one and go, or stay as they are
 * written; whether one that stays is the namespace's is for others to say.
 *
 * A list is the array that a reply is (containers, images, networks), or one
 * that is a member of the object that it is (volumes, disk usage).
 *
 * Dropped: what carries another namespace's label; an image with nothing but
 * other namespaces' names; and an element over LIMIT_LIST_ELEMENT. An image
 * without a name, kept because others may be made from it, loses labels that
 * are not berth's own if it is over LIMIT_LIST_LABELS. What is no JSON passes
 * as it is, for a parser to find.
 */

#include "policy/base/str.h"

struct list_filter;

/* Is what GET TARGET is answered with, asked without a version, such a list? */
bool list_filter_fits(struct str target);

/* For namespace NS; if it is empty, for all of them. BRIEF: of any element over
 * LIMIT_LIST_LABELS, only berth's own labels stay. */
struct list_filter *list_filter_new(struct str ns, bool brief);
/* Always NULL. FILTER may be NULL. */
struct list_filter *list_filter_free(struct list_filter *filter);

/* Append to OUT what BYTES, all of which are taken, become. 0; or -ENOBUFS when
 * OUT is full, and the filter is not to be used any more. */
int list_filter_feed(struct list_filter *filter, struct str bytes,
                     struct strbuf *out);

/* Bytes that it holds: an element that is not complete. */
size_t list_filter_memory(const struct list_filter *filter);
