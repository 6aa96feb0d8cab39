#include "proxy/base/backoff.h"

#include <stdlib.h>
#include <sys/random.h>

#define FIRST_MS          250U
#define LONGEST_MS        30000U
#define STUBBORN_FIRST_MS 5000U
#define STUBBORN_LONG_MS  60000U
#define MOST_DOUBLINGS    10

unsigned backoff_next(struct backoff *backoff, bool stubborn)
{
    unsigned first = stubborn ? STUBBORN_FIRST_MS : FIRST_MS;
    unsigned longest = stubborn ? STUBBORN_LONG_MS : LONGEST_MS;
    unsigned pause = first << backoff->failures, noise = 0;

    if (backoff->failures < MOST_DOUBLINGS)
        backoff->failures++;
    if (pause > longest)
        pause = longest;
    if (getrandom(&noise, sizeof(noise), GRND_NONBLOCK) < 0)
        noise = (unsigned)rand();
    return pause - noise % (pause / 4 + 1);
}
