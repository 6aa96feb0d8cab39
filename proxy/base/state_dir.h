#pragma once

/*
 * A directory of berth's own for what is to outlive the process: "copies" in
 * the first of $STATE_DIRECTORY, which systemd sets (systemd.exec(5)). NULL
 * when that is not set, or no absolute path. Static.
 */
const char *state_dir(void);

/* Make it, for this user alone, if it is not there. What fails is found by who
 * uses it. */
void state_dir_make(void);
