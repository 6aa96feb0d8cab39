#pragma once

/*
 * What a near end knows of both sides, in a file, for a process that is started
 * anew: what was removed meanwhile on one side is then known to be removed. It
 * is believed as far as the stamps of both sides agree with it, like what is in
 * memory, and must be removed before either side is changed
 * (file_near.changing), so that a file that is there is never an old one.
 */

#include "proxy/files/file_near.h"

/*
 * Put what NEAR knows in place of the file PATH, in one step. ABOUT, up to
 * LIMIT_FILES_PIECE bytes, tells these two sides from all others. Returns 0, or
 * a negative errno: -EFBIG over LIMIT_FILES_SAVED. Then there is no such file.
 */
int file_saved_write(const struct file_near *near, const char *path,
                     struct str about);

/*
 * Take over what the file PATH says, in place of all that NEAR knows. Returns
 * 0; -ESTALE when it is not about ABOUT, or of another version; -EPERM when it
 * is not our own, or others may write to it; -EBADMSG, -EFBIG or what reading
 * failed with. NEAR then knows nothing.
 */
int file_saved_read(struct file_near *near, const char *path, struct str about);
