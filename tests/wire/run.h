#pragma once

/*
 * One run of a transcript: what happens in it (run.c), and what is expected of
 * it (expect.c). Where it is played is the stage (stage.h).
 */

#include "proxy/exchange/request.h"
#include "tests/wire/plain.h"
#include "tests/wire/script.h"
#include "tests/wire/stage.h"

#define FILE_MAX   (4 * MIB)
#define BULK_PIECE 16381

enum cutting {
    WHOLE,
    BYTES,
    AT,
};

struct run {
    const char *path;
    const struct script *script;
    enum cutting cutting;
    size_t cut; /* AT: before that byte */
    size_t at;  /* bytes sent up to now, but for bulk */
    struct stage stage;
    unsigned client; /* who acts, as an index */
    struct plain plain[STAGE_CLIENTS][2];
    unsigned reloads;
    size_t audited; /* bytes of the record that were expected */
    bool failed;
};

/* Do one STEP, or see whether what it expects is so; false, and said on stderr,
 * when it is not. */
bool run_step(struct run *run, const struct step *step);

/* What SIDE of the client that acts was sent. */
static inline struct plain *run_plain(struct run *run, enum side side)
{
    return &run->plain[run->client][side];
}

/* Take what client and engine were sent; false when it is not valid HTTP. */
bool take_output(struct run *run, const struct step *step);

/* What the words expect: false, and said on stderr, when it is not so. */
bool expect_bytes(struct run *run, const struct step *step, enum side side);
bool expect_question(struct run *run, const struct step *step);
bool expect_answer(struct run *run, const struct step *step);
bool expect(struct run *run, const struct step *step);
bool expect_audit(struct run *run, const struct step *step);

/* The name of TIMER in a transcript. */
const char *timer_name(enum connection_timer timer);

/* The run failed at STEP, and why; always false. */
__attribute__((format(printf, 3, 4))) bool
wrong(struct run *run, const struct step *step, const char *format, ...);

/* Print BYTES under TITLE, as they would be in a transcript. */
void show(const char *title, struct str bytes);
