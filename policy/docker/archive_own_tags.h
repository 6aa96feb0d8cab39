#pragma once

/*
 * The names in an archive of images, of one namespace: on its way to an engine
 * ("docker load") the runner's names become own tags (own_tag.h), and on its
 * way back ("docker save") own tags become the runner's names again.
 */

#include "policy/docker/archive_names.h"

/*
 * *NS, the namespace, must outlive what is returned. To the engine, a name that
 * no runner may write is refused. To the runner, real names stay (what hosts
 * share is saved by them), and names that are neither are left out.
 */
struct archive_names archive_names_to_engine(struct str *ns);
struct archive_names archive_names_to_runner(struct str *ns);
