#pragma once

/*
 * What the strings of a policy have to look like: the CHECK of a row, which
 * says in WHY "is no ...; write ..." of a text that is wrong. Beside each
 * is what it takes as a regular expression, for the row's PATTERN.
 */

#include "policy/base/str.h"

#define PATTERN_RUNNER_NAME "^[^\\x00-\\x1f\\x7f]{1,255}$"
bool check_runner_name(struct str text, struct strbuf *why);

#define PATTERN_ABSOLUTE_PATH "^/"
bool check_absolute_path(struct str text, struct strbuf *why);

/* The same, short enough for the address of a Unix socket. */
#define PATTERN_SOCKET_PATH "^/.{0,106}$"
bool check_socket_path(struct str text, struct strbuf *why);

/* The same, or an address with a port that only this machine reaches. */
#define PATTERN_LOCAL_LISTEN "^(/.{0,106}|127[0-9.]*:[0-9]+|\\[::1\\]:[0-9]+)$"
bool check_local_listen(struct str text, struct strbuf *why);

#define PATTERN_GROUP "^[A-Za-z0-9_][A-Za-z0-9_.-]*$"
bool check_group(struct str text, struct strbuf *why);

#define PATTERN_UPSTREAM_URL "^(unix|(ssh|tcp)([+]srv)?)://"
bool check_upstream_url(struct str text, struct strbuf *why);

#define PATTERN_JUMP_URL "^ssh://"

#define PATTERN_PROXY_URL "^(http|socks5h?)://"
bool check_proxy_url(struct str text, struct strbuf *why);

#define PATTERN_HOST_KEY "^SHA256:[A-Za-z0-9+/]{43}=?$"
bool check_host_key(struct str text, struct strbuf *why);

/* One line of text, without control characters. */
#define PATTERN_CONTACT "^[^\\x00-\\x1f\\x7f-\\x9f]{1,200}$"
bool check_contact(struct str text, struct strbuf *why);

#define PATTERN_ENGINE_ID "^[A-Za-z0-9:_-]{1,127}$"
#define PATTERN_JOB       "^(label|env):[^=\\x00-\\x1f\\x7f]+$"
#define PATTERN_AUDIT     "^(/.*|stdout|syslog)$"
bool check_engine_id(struct str text, struct strbuf *why);
bool check_job_word(struct str text, struct strbuf *why);
bool check_audit_target(struct str text, struct strbuf *why);

/* Of struct leftovers_policy: is there time in its lease to make it anew? */
bool check_lease(const void *leftovers, const char **key, struct strbuf *why);
