#pragma once

/* What is copied ("by": "copy"), as others than a rewrite see it. */

#include <jansson.h>

#include "policy/config/rules.h"

/* Append what the volume and the container of the directory ROOT (trimmed) are
 * called for the namespace NS. 0 or -ENOBUFS. */
int files_put_name(struct strbuf *out, struct str ns, struct str root);

/* May NAME be one of NS's? */
bool files_name_is_of(struct str name, struct str ns);

/* Is anything copied by the rules in MOUNTS (struct mount_rule; may be NULL)?
 */
bool files_are_copied(const struct objects *mounts);

/* The label LABEL_FILES of a container with LABELS: [{"root", "path"}], the
 * caller's; or NULL. */
json_t *files_label_read(const json_t *labels);
