#pragma once

/* Requests to an engine that move names of images. */

#include "policy/base/str.h"

/* Append the target of the POST that gives IMAGE, an ID or a name, the name
 * NAME, which has a tag. 0 or -ENOBUFS. */
int image_target_put_tag(struct strbuf *out, struct str image, struct str name);

/* The same of the DELETE that takes NAME away. Images that it was made from
 * stay. */
int image_target_put_untag(struct strbuf *out, struct str name);
