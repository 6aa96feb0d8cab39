#include "policy/isolation/push_lock.h"

#include <errno.h>

#include "policy/base/json_str.h"
#include "policy/docker/own_tag.h"

enum { HELD_S = 3600 };

bool push_lock_read(struct push_lock *lock, const json_t *labels)
{
    struct image_ref ref;

    *lock = (struct push_lock){
        .ns = str_at(labels, LABEL_PUSH_BY),
        .real = str_at(labels, LABEL_PUSH),
        .of = str_at(labels, LABEL_PUSH_OF),
        .from = str_at(labels, LABEL_PUSHED),
    };
    return lock->ns.len && image_ref_is_full_id(lock->of) &&
           (lock->from.len == 0 || image_ref_is_full_id(lock->from)) &&
           image_ref_parse(lock->real, &ref) == 0 && ref.tag.len;
}

bool push_lock_is_over(int64_t made, int64_t now)
{
    return made != 0 && now >= made + HELD_S;
}

int push_lock_put_mark(struct strbuf *out, struct str real)
{
    struct image_ref ref;

    if (image_ref_parse(real, &ref))
        return -EINVAL;
    return own_push_mark_put(out, &ref);
}
