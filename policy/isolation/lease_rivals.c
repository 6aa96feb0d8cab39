#include "policy/isolation/lease_rivals.h"

#include <limits.h>

#include "policy/docker/lease_name.h"

/* As many of one's own periods may go by between two leases of one that lives:
 * its link may be slow, and its period is another where its term is. */
enum { STILL_MOST = 4, MADE = 2 };

struct looking {
    struct lease_rivals *rivals;
    struct str ns;
    uint64_t own;
    bool is_first; /* look */
};

static struct rival *find(struct lease_rivals *rivals, uint64_t random)
{
    for (size_t i = 0; i < rivals->count; i++) {
        if (rivals->items[i].random == random)
            return &rivals->items[i];
    }
    return NULL;
}

static void see(void *arg, const struct lease_row *row)
{
    struct looking *looking = arg;
    struct lease_rivals *rivals = looking->rivals;
    struct str made_of, digits;
    uint64_t random, number;
    struct rival *rival;

    if (row->kind != LEASE_ITSELF || !str_eq(row->ns, looking->ns))
        return;
    /* LEASE_NAME, the namespace, a dot (lease_put_name) */
    made_of =
        str_from_index(row->name, sizeof(LEASE_NAME) - 1 + row->ns.len + 1);
    str_cut(made_of, '-', &made_of, &digits);
    if (str_to_hex64(made_of, &random) || str_to_u64(digits, &number) ||
        number > UINT_MAX || random == looking->own)
        return;
    rival = find(rivals, random);
    if (!rival && rivals->count < LEASE_RIVALS) {
        rival = &rivals->items[rivals->count++];
        *rival =
            (struct rival){.random = random, .since = number, .number = number};
        rival->came_first = looking->is_first && row->made <= rivals->began;
    }
    if (!rival)
        return;
    rival->is_there = true;
    if (number > rival->number) {
        rival->still = 0;
        rival->number = number;
    }
}

enum lease_rival lease_rivals_look(struct lease_rivals *rivals,
                                   const json_t *reply, struct str ns,
                                   uint64_t own, int64_t now)
{
    struct looking looking = {rivals, ns, own, rivals->began == 0};
    enum lease_rival worst = LEASE_ALONE;
    size_t kept = 0;

    if (looking.is_first)
        rivals->began = now;
    for (size_t i = 0; i < rivals->count; i++) {
        rivals->items[i].is_there = false;
        rivals->items[i].still++;
    }
    leases_walk(reply, see, &looking);
    for (size_t i = 0; i < rivals->count; i++) {
        struct rival *rival = &rivals->items[i];
        bool lives;

        if (!rival->is_there)
            continue;
        if (rival->still >= STILL_MOST)
            rival->since = rival->number;
        lives = rival->number - rival->since >= MADE;
        if (lives && rival->came_first)
            worst = LEASE_RIVAL_FIRST;
        else if (lives && worst == LEASE_ALONE)
            worst = LEASE_RIVAL_LATER;
        rivals->items[kept++] = *rival;
    }
    rivals->count = kept;
    return worst;
}
