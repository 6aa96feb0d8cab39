#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include "proxy/companion/companion.h"

/* First processes that do nothing but be there. */

enum { LOOK_S = 1 };

static void on_end(int number)
{
    (void)number;
    _exit(COMPANION_ENDED);
}

/* The first process of a container is ended by what it handles alone. */
static void handle_signals(void)
{
    signal(SIGTERM, on_end);
    signal(SIGINT, on_end);
    signal(SIGCHLD, SIG_IGN); /* sessions that lost their parent */
}

int companion_idle(void)
{
    handle_signals();
    for (;;)
        pause();
}

static time_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_BOOTTIME, &time);
    return time.tv_sec;
}

/* Is there any other process in this container? */
static bool has_company(void)
{
    return kill(-1, 0) == 0 || errno != ESRCH;
}

int companion_wait(unsigned seconds)
{
    time_t seen = now();

    handle_signals();
    while (now() - seen < (time_t)seconds) {
        sleep(LOOK_S);
        if (has_company())
            seen = now();
    }
    return 0;
}
