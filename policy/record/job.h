#pragma once

/*
 * The CI job that a call is made for, for its record: what the runner itself
 * writes into labels and environment of what it makes, as far as the policy
 * names it (audit.job). Those of
 *
 * - GitLab Runner's docker executor: labels com.gitlab.gitlab-runner.job.id,
 *   .job.url, .pipeline.id, .project.id of containers, volumes and networks;
 * - Buildkite's plugins: labels com.buildkite.job_id, .build_number,
 *   .pipeline_slug of containers;
 * - GitHub's runner: the environment GITHUB_RUN_ID, GITHUB_JOB and so on of
 *   the containers of actions and of each exec in a job's container.
 *
 * What a job writes itself into the same labels and variables is its own word.
 */

#include <jansson.h>

#include "policy/base/strings.h"
#include "policy/docker/route.h"

/*
 * What BODY, which OPERATION sends, says of its job, by WORDS ("label:NAME",
 * "env:NAME"): {"NAME": "value"}, a new reference; or NULL. Each value has
 * LIMIT_JOB_VALUE bytes at most, and all names and values LIMIT_JOB_BYTES: what
 * does not fit is left out. One with a URL in it that has a user, a password or
 * a query is not shown.
 */
json_t *job_find(const struct strings *words, enum operation operation,
                 const json_t *body);

/* Whose the things of a namespace are, as far as is known: LIMIT_JOBS of them,
 * and the one heard of longest ago makes room. */
struct job_book;

struct job_book *job_book_new(void);
/* NULL is fine; returns NULL. */
struct job_book *job_book_free(struct job_book *book);

/* REF, a name or an ID on the engine, is of JOB (a reference is taken); NULL:
 * of none that is known. */
void job_book_put(struct job_book *book, enum ref_kind kind, struct str ref,
                  json_t *job);
/* The job of REF, borrowed until the next put; or NULL. */
json_t *job_book_find(const struct job_book *book, enum ref_kind kind,
                      struct str ref);
