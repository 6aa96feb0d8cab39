#include "proxy/server/lease_others.h"

#include "proxy/base/log.h"

const char lease_others_why[] =
    "another berth serves this namespace on the same engine, and was there "
    "before this one: stop it, or give each a namespace of its own "
    "(\"namespace\" in the policy; --share-namespace serves it all the same)";

enum {
    /* One at once, to see that they are gone; and one when they would have been
     * made anew. */
    LOOKS = 2,
    /* Between two looks of who has no lease: others may come. */
    EVERY_MS = 240 * 1000,
};

bool lease_others_admit(struct lease_others *others, const char *ns,
                        const json_t *list, uint64_t own, int64_t now)
{
    enum lease_rival rival =
        lease_rivals_look(&others->rivals, list, str_from(ns), own, now);

    if (rival != LEASE_ALONE && !others->told)
        log_warn("%s: another berth serves this namespace on the same engine, "
                 "and came %s this one: each takes the other's things for its "
                 "own, and may remove them when it ends",
                 ns, rival == LEASE_RIVAL_FIRST ? "before" : "after");
    others->told = rival != LEASE_ALONE;
    others->refuses = rival == LEASE_RIVAL_FIRST && !others->shares;
    return !others->refuses;
}

/* Those that are taken away may be of one that was killed, or that ran by
 * another policy. What comes in their place is of one that lives. */
bool lease_others_admit_one_without(struct lease_others *others, const char *ns,
                                    unsigned count)
{
    bool lives = others->looks && count;

    if (lives && !others->told)
        log_warn("%s: another berth serves this namespace on the same engine, "
                 "and its policy says \"leftovers\": \"remove\": it removes "
                 "what this one has, too, when it ends; give both the same "
                 "leftovers",
                 ns);
    others->told = lives;
    if (count)
        others->looks = LOOKS;
    else if (others->looks)
        others->looks--;
    others->refuses = lives && !others->shares;
    return !others->refuses;
}

unsigned lease_others_again_ms(const struct lease_others *others)
{
    return others->looks ? LEASE_PERIOD_MS + LEASE_PERIOD_MS / 4 : EVERY_MS;
}

void lease_others_forget(struct lease_others *others)
{
    others->rivals = (struct lease_rivals){.count = 0};
}
