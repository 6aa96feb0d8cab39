#include "tests/unit/unit.h"

#include "policy/isolation/host_choice.h"

#include <stdio.h>
#include <string.h>

#include "policy/base/limits.h"

static void chosen(const struct host_facts *hosts, size_t count, bool skip,
                   size_t wanted)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_REASON);
    size_t at = count;

    assert_int_equal(host_choose(S("r1"), hosts, count, skip, &at, &why),
                     HOST_CHOSEN);
    assert_int_equal(at, wanted);
}

static void not_chosen(const struct host_facts *hosts, size_t count, bool skip,
                       enum host_choice choice, const char *said)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_ERROR_TEXT);
    size_t at;

    assert_int_equal(host_choose(S("r1"), hosts, count, skip, &at, &why),
                     choice);
    if (!strstr(strbuf_cstr(&why), said))
        fail_msg("not said: \"%s\", but: \"%s\"", said, strbuf_cstr(&why));
}

static void it_stays_where_it_has_something(void **state)
{
    struct host_facts hosts[] = {
        {.url = "ssh://a", .engine = "A", .cpus = 4},
        {.url = "ssh://b",
         .engine = "B",
         .has = true,
         .running = 900,
         .drained = true},
        {.url = "ssh://c",  .engine = "",               .why = "refused"        },
    };

    (void)state;
    /* loaded, drained, and although another does not answer */
    chosen(hosts, 3, false, 1);
}

static void
the_smallest_priority_that_may_be_given_something_is_chosen(void **state)
{
    struct host_facts hosts[] = {
        {.url = "a", .engine = "A", .priority = 10,   .weight = 1    },
        {.url = "b", .engine = "B", .running = 900,   .weight = 1    },
        {.url = "c", .engine = "C", .weight = 1,      .drained = true},
        {.url = "d", .engine = "",  .why = "refused", .weight = 1    },
    };

    (void)state;
    chosen(hosts, 4, true, 1);
    hosts[1].drained = true;
    chosen(hosts, 4, true, 0);
    /* and where it has something, whatever its priority */
    hosts[1].drained = false;
    hosts[0].has = true;
    chosen(hosts, 4, true, 0);
}

static void the_weight_says_how_much_a_host_takes(void **state)
{
    struct host_facts hosts[] = {
        {.url = "a", .engine = "A", .running = 30, .weight = 10},
        {.url = "b", .engine = "B", .running = 10, .weight = 1 },
    };

    (void)state;
    chosen(hosts, 2, false, 0);
    hosts[0].running = 110;
    chosen(hosts, 2, false, 1);
    /* together with its CPUs */
    hosts[0].cpus = 4;
    hosts[1].cpus = 1;
    chosen(hosts, 2, false, 0);
}

static void without_a_weight_it_is_given_nothing_beside_others(void **state)
{
    struct host_facts hosts[] = {
        {.url = "a",      .engine = "A"},
        { .url = "b", .engine = "B",   .running = 900, .weight = 1},
    };

    (void)state;
    chosen(hosts, 2, false, 1);
    hosts[1].drained = true;
    chosen(hosts, 2, false, 0);
    /* nor is it worse than others without one */
    hosts[1].drained = false;
    hosts[1].weight = 0;
    chosen(hosts, 2, false, 0);
}

static void on_two_hosts_it_is_refused(void **state)
{
    struct host_facts hosts[] = {
        {.url = "ssh://a", .engine = "A", .has = true},
        {.url = "ssh://b", .engine = "B", .has = true},
    };

    (void)state;
    not_chosen(hosts, 2, true, HOST_REFUSED,
               "r1 has something on ssh://a and on ssh://b");
}

static void one_engine_under_two_names_is_refused(void **state)
{
    struct host_facts hosts[] = {
        {.url = "ssh://a", .engine = "A"},
        {                .url = "ssh://b",    .engine = ""             },
        { .url = "ssh://c",     .engine = "A",                  .has = true},
    };

    (void)state;
    not_chosen(hosts, 3, true, HOST_REFUSED,
               "ssh://a and ssh://c lead to the same engine (A); let "
               "upstream.url name it once");
}

static void who_does_not_answer_is_waited_for(void **state)
{
    struct host_facts hosts[] = {
        {.url = "ssh://a", .engine = "A"              },
        { .url = "ssh://b",    .engine = "", .why = "connection refused"},
    };

    (void)state;
    not_chosen(hosts, 2, false, HOST_WAIT,
               "whether r1 has something on ssh://b (connection refused)");
    chosen(hosts, 2, true, 0);
    hosts[0].drained = true;
    not_chosen(hosts, 2, true, HOST_WAIT, "ssh://b: connection refused");
    hosts[1] =
        (struct host_facts){.url = "ssh://b", .engine = "B", .drained = true};
    not_chosen(hosts, 2, true, HOST_WAIT, "upstream.drain");
}

static void the_less_loaded_for_its_size_is_taken(void **state)
{
    struct host_facts hosts[] = {
        {.url = "ssh://a", .engine = "A", .running = 10, .cpus = 4},
        {.url = "ssh://b", .engine = "B", .running = 19, .cpus = 8},
    };

    (void)state;
    chosen(hosts, 2, false, 1);
    hosts[1].placed = 2;
    chosen(hosts, 2, false, 0);
}

/* ---- five hundred namespaces on twenty engines ---- */

enum { HOSTS = 21, NAMESPACES = 500, NOWHERE = HOSTS };

struct world {
    struct host_facts hosts[HOSTS]; /* .placed: the namespaces there */
    char urls[HOSTS][16], engines[HOSTS][16];
    size_t count;
    size_t home[NAMESPACES];
    bool lost[HOSTS];
};

static void world_init(struct world *w, size_t count)
{
    memset(w, 0, sizeof(*w));
    w->count = count;
    for (size_t i = 0; i < HOSTS; i++) {
        snprintf(w->urls[i], sizeof(w->urls[i]), "ssh://host%zu", i);
        snprintf(w->engines[i], sizeof(w->engines[i]), "ENGINE-%zu", i);
        w->hosts[i] = (struct host_facts){
            .url = w->urls[i], .engine = w->engines[i], .cpus = 8};
    }
    for (size_t n = 0; n < NAMESPACES; n++)
        w->home[n] = NOWHERE;
}

/* Namespace N asks; SEES: does it see what others were given before? */
static enum host_choice ask(const struct world *w, size_t n, bool sees,
                            bool skip, size_t *at)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_ERROR_TEXT);
    struct host_facts hosts[HOSTS];
    enum host_choice choice;
    char name[16];

    snprintf(name, sizeof(name), "runner-%zu", n);
    for (size_t i = 0; i < w->count; i++) {
        hosts[i] = w->hosts[i];
        hosts[i].has = w->home[n] == i;
        if (!sees)
            hosts[i].placed = 0;
        if (w->lost[i])
            hosts[i].engine = "";
    }
    choice = host_choose(str_from(name), hosts, w->count, skip, at, &why);
    if (choice == HOST_WAIT && w->home[n] != NOWHERE && w->lost[w->home[n]])
        assert_non_null(strstr(strbuf_cstr(&why), w->urls[w->home[n]]));
    return choice;
}

static void settle(struct world *w, size_t n, size_t at)
{
    if (w->home[n] != NOWHERE)
        w->hosts[w->home[n]].placed--;
    w->home[n] = at;
    if (at != NOWHERE)
        w->hosts[at].placed++;
}

/* All that have nothing anywhere come; returns the most on one host. */
static unsigned fill(struct world *w, bool sees, const char *what)
{
    unsigned least = NAMESPACES, most = 0, total = 0;

    for (size_t n = 0; n < NAMESPACES; n++) {
        size_t at;

        if (w->home[n] != NOWHERE)
            continue;
        assert_int_equal(ask(w, n, sees, false, &at), HOST_CHOSEN);
        settle(w, n, at);
    }
    for (size_t i = 0; i < w->count; i++) {
        unsigned there = w->hosts[i].placed;

        total += there;
        most = there > most ? there : most;
        least = there < least && !w->hosts[i].drained ? there : least;
    }
    assert_int_equal(total, NAMESPACES);
    print_message("%s: %u namespaces on %zu hosts, %u to %u on each\n", what,
                  total, w->count, least, most);
    return most;
}

/* Every berth starts again; how many moved, and how many wait? */
static void restart_all(struct world *w, bool skip, const char *what,
                        unsigned *moved, unsigned *waiting)
{
    *moved = *waiting = 0;
    for (size_t n = 0; n < NAMESPACES; n++) {
        size_t at;

        if (ask(w, n, true, skip, &at) != HOST_CHOSEN) {
            ++*waiting;
        } else if (at != w->home[n]) {
            ++*moved;
            settle(w, n, at);
        }
    }
    print_message("%s: %u moved, %u wait\n", what, *moved, *waiting);
}

static void they_spread_evenly(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, 20);
    assert_true(fill(&w, true, "one after the other") <= 27);
    world_init(&w, 20);
    /* nobody sees the others: by their names alone */
    assert_true(fill(&w, false, "all at once") <= 45);
}

static void a_host_more_moves_nobody(void **state)
{
    unsigned moved, waiting;
    struct world w;

    (void)state;
    world_init(&w, 20);
    fill(&w, true, "before");
    w.count = 21;
    restart_all(&w, false, "a host was added", &moved, &waiting);
    assert_int_equal(moved + waiting, 0);
    for (size_t n = 0; n < NAMESPACES; n += 5)
        settle(&w, n, NOWHERE);
    fill(&w, true, "a fifth of them ended and came again");
    assert_true(w.hosts[20].placed >= 8);
}

static void a_drained_host_empties_by_itself(void **state)
{
    unsigned moved, waiting, there;
    struct world w;

    (void)state;
    world_init(&w, 20);
    fill(&w, true, "before");
    w.hosts[3].drained = true;
    there = w.hosts[3].placed;
    restart_all(&w, false, "a host is drained", &moved, &waiting);
    assert_int_equal(moved + waiting, 0);
    assert_int_equal(w.hosts[3].placed, there);
    for (size_t n = 0; n < NAMESPACES; n++) {
        if (w.home[n] == 3)
            settle(&w, n, NOWHERE);
    }
    fill(&w, true, "those on it ended and came again");
    assert_int_equal(w.hosts[3].placed, 0);
}

static void a_lost_host_takes_its_own_along_and_moves_nobody(void **state)
{
    unsigned moved, waiting, there;
    struct world w;
    size_t at;

    (void)state;
    world_init(&w, 20);
    fill(&w, true, "before");
    w.lost[7] = true;
    there = w.hosts[7].placed;
    restart_all(&w, false, "a host is lost", &moved, &waiting);
    assert_int_equal(moved, 0);
    assert_int_equal(waiting, there);
    /* one that is new may have something there, for all that is known */
    settle(&w, 0, NOWHERE);
    assert_int_equal(ask(&w, 0, true, false, &at), HOST_WAIT);
    assert_int_equal(ask(&w, 0, true, true, &at), HOST_CHOSEN);
    assert_int_not_equal(at, 7);
    w.lost[7] = false;
    settle(&w, 0, at);
    restart_all(&w, false, "it is back", &moved, &waiting);
    assert_int_equal(moved + waiting, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_stays_where_it_has_something),
        cmocka_unit_test(
            the_smallest_priority_that_may_be_given_something_is_chosen),
        cmocka_unit_test(the_weight_says_how_much_a_host_takes),
        cmocka_unit_test(without_a_weight_it_is_given_nothing_beside_others),
        cmocka_unit_test(on_two_hosts_it_is_refused),
        cmocka_unit_test(one_engine_under_two_names_is_refused),
        cmocka_unit_test(who_does_not_answer_is_waited_for),
        cmocka_unit_test(the_less_loaded_for_its_size_is_taken),
        cmocka_unit_test(they_spread_evenly),
        cmocka_unit_test(a_host_more_moves_nobody),
        cmocka_unit_test(a_drained_host_empties_by_itself),
        cmocka_unit_test(a_lost_host_takes_its_own_along_and_moves_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
