#pragma once

/* What the parts of policy/ssh_config share. */

#include "policy/base/pattern.h"
#include "policy/base/suggest.h"
#include "policy/ssh_config/ssh_config.h"

#define SSH_DEFAULT_PORT 22
#define SSH_LIMIT_NUMBER 16 /* of a port or a user ID, as text */

/* The words of one line behind its keyword. */
struct ssh_words {
    struct str keyword;
    struct str rest; /* as written, for options that take a command */
    char *text;      /* what ITEMS point into */
    char **items;
    size_t count;
    size_t next;
};

enum { SSH_LINE_EMPTY = 2 };

/*
 * Take LINE apart, which has no newline in it. 0; SSH_LINE_EMPTY for a blank
 * line and a comment; or SSH_CONFIG_E_REFUSED with what is wrong in WHY. WORDS
 * has to be given back in either case.
 */
int ssh_words_read(struct str line, struct ssh_words *words,
                   struct strbuf *why);
void ssh_words_fini(struct ssh_words *words);
/* The next one, or NULL. */
const char *ssh_words_next(struct ssh_words *words);

enum ssh_option_kind {
    SSH_K_IGNORED, /* known to ssh, and of no use here */
    SSH_K_STRING,
    SSH_K_WORD, /* the same, in small letters */
    SSH_K_FLAG,
    SSH_K_NUMBER,
    SSH_K_TIME,
    SSH_K_PORT,
    SSH_K_CHOICE, /* the index into .words */
    SSH_K_PATHS,  /* appended, each once */
    SSH_K_FILES,  /* all from the first line that has it */
    SSH_K_REKEY,
    SSH_K_SPECIAL,
};

struct ssh_option_row {
    const char *name;
    enum ssh_option_kind kind;
    size_t offset;
    const char *const *words; /* SSH_K_CHOICE; pairs of a word and a value */
    const char *instead;      /* what to do, where berth does not follow */
};

extern const char *const ssh_families[];
extern const char *const ssh_stricts[];

#define SSH_KNOWN_ONLY                                                         \
    "berth takes no host key that is not known already; add it with "          \
    "ssh-keyscan"

/* The row of KEYWORD, or NULL. */
const struct ssh_option_row *ssh_option_find(struct str keyword);
/* Hold all names against what was written. */
void ssh_option_weigh(struct suggestion *suggestion);

/* Where an option was set. */
struct ssh_origin {
    const char *file;
    unsigned line;
};

enum ssh_option {
    SSH_O_PROXY_COMMAND,
    SSH_O_PROXY_JUMP,
    SSH_O_KNOWN_HOSTS_COMMAND,
    SSH_O_REVOKED_HOST_KEYS,
    SSH_O_CANONICALIZE,
    SSH_O_OTHER, /* no need to remember where */
#define SSH_OPTIONS SSH_O_OTHER
};

/* One run through the files. */
struct ssh_run {
    const struct ssh_config_query *query;
    struct ssh_config *config;
    struct strbuf *why;

    const char *host; /* what Host is held against */
    bool final;       /* the second pass */
    bool wants_final; /* some Match asked for it */
    char *hostname;   /* HostName as written; in the second pass: as it is */
    char *command;    /* ProxyCommand */
    char *jump;       /* ProxyJump */
    char *known_hosts_command;
    char *ignore_unknown;
    bool canonicalize;
    bool revoked_keys;
    struct strings said; /* keywords of not_followed */
    struct ssh_origin origins[SSH_OPTIONS];

    /* of the file that is read */
    const char *file;
    unsigned line;
    bool user; /* the file is the user's, not the system's */
    bool active;
    bool never; /* included from a block that does not match */
    unsigned depth;
    size_t bytes;   /* read in all */
    unsigned reads; /* of files */
};

/* Put "FILE:LINE: " and the sentence into WHY. Returns SSH_CONFIG_E_REFUSED. */
int ssh_run_refuse(struct ssh_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int ssh_run_refuse_at(struct ssh_run *run, const struct ssh_origin *origin,
                      const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Host and Match: set run->active. 0 or SSH_CONFIG_E_REFUSED. */
int ssh_run_host(struct ssh_run *run, struct ssh_words *words);
int ssh_run_match(struct ssh_run *run, struct ssh_words *words);

/* Does TEXT fit PATTERN, with "*" and "?"? */
bool ssh_pattern_matches(struct str pattern, struct str text);
/* And a list of them, with commas and negation? FOLD: the list in small
 * letters. */
bool ssh_pattern_list_matches(struct str list, struct str text, bool fold);

/* Any other option. */
int ssh_run_option(struct ssh_run *run, struct ssh_words *words);
int ssh_run_include(struct ssh_run *run, struct ssh_words *words);
/* All files, once. */
int ssh_run_pass(struct ssh_run *run);

/* The jump hosts of TEXT. 0, or SSH_CONFIG_E_REFUSED without a word in WHY. */
int ssh_hops_read(struct str text, struct ssh_config_hop **hops, size_t *count);

void ssh_hops_free(struct ssh_config_hop *hops, size_t count);

/* What stands for the tokens; NULL members are refused. */
struct ssh_tokens {
    const char *host;        /* %h */
    const char *original;    /* %n */
    const char *port;        /* %p */
    const char *remote_user; /* %r */
    const char *local_user;  /* %u */
    const char *home;        /* %d */
    const char *uid;         /* %i */
    const char *alias;       /* %k */
    const char *local_host;  /* %l, and its first label %L */
    const char *jump;        /* %j */
};

/* The tokens, as far as the files have got. */
struct ssh_known_tokens {
    struct ssh_tokens tokens;
    char port[SSH_LIMIT_NUMBER], uid[SSH_LIMIT_NUMBER];
    struct strbuf host;
    struct ssh_config_hop *hops;
    size_t hop_count;
};

/* 0; or SSH_CONFIG_E_REFUSED, with KNOWN to be given back all the same. */
int ssh_tokens_init(struct ssh_run *run, struct ssh_known_tokens *known,
                    struct strbuf *why);
void ssh_tokens_fini(struct ssh_known_tokens *known);

enum {
    SSH_EXPAND_TILDE = 1,
    SSH_EXPAND_PERCENT = 2,
    SSH_EXPAND_DOLLAR = 4,
    SSH_EXPAND_ALL = 7,
};

/*
 * Append TEXT with what WHAT asks for expanded. 0; or SSH_CONFIG_E_REFUSED
 * with the end of a sentence in WHY that began with the text itself.
 */
int ssh_expand(const struct ssh_config_query *query,
               const struct ssh_tokens *tokens, const char *text, unsigned what,
               struct strbuf *out, struct strbuf *why);
