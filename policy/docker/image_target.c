#include "policy/docker/image_target.h"

#include "policy/docker/image_ref.h"
#include "policy/docker/target.h"

int image_target_put_tag(struct strbuf *out, struct str image, struct str name)
{
    struct str repo = image_ref_untagged(name);
    int r = strbuf_add(out, S("/images/"));

    r = r ? r : target_put_segment(out, image);
    r = r ? r : strbuf_add(out, S("/tag?repo="));
    r = r ? r : target_put_query(out, repo);
    r = r ? r : strbuf_add(out, S("&tag="));
    return r ? r : target_put_query(out, str_from_index(name, repo.len + 1));
}

int image_target_put_untag(struct strbuf *out, struct str name)
{
    int r = strbuf_add(out, S("/images/"));

    r = r ? r : target_put_segment(out, name);
    return r ? r : strbuf_add(out, S("?noprune=1"));
}
