#pragma once

/*
 * Every maximum there is. Whatever a peer (a client, the engine, the SSH
 * server, the author of a policy) can make grow stops at one of these, and a
 * test is at its edge.
 */

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

/* HTTP, both directions */
#define LIMIT_HEAD                                                             \
    (256 * KIB)                    /* a request or response head; dockerode    \
                                      repeats whole bodies in its query */
#define LIMIT_HEADERS    128       /* header lines of one head */
#define LIMIT_CHUNK_LINE 256       /* a chunk-size line with its extension */
#define LIMIT_TRAILER    (8 * KIB) /* all trailer lines, which are dropped */
#define LIMIT_INTERIM    8         /* 1xx responses before the real one */
#define LIMIT_BLANKS     4         /* empty lines before a request */

/* the request target */
#define LIMIT_PATH        (4 * KIB)
#define LIMIT_SEGMENTS    32
#define LIMIT_QUERY_PAIRS 1024 /* a save names hundreds of images */

/* bodies that are parsed */
#define LIMIT_JSON_BODY    (4 * MIB)
#define LIMIT_JSON_WRITTEN (6 * LIMIT_JSON_BODY) /* escapes can lengthen it */
#define LIMIT_JSON_DEPTH   64
#define LIMIT_JSON_VALUES  65536 /* of one request; each costs memory */
#define LIMIT_LABELS                                                           \
    (256 * KIB) /* of one object; every list has them, and some                \
                   keep a whole file of 100 KB in one */
#define LIMIT_EXEC    (256 * KIB) /* an exec: the engine keeps it whole */
#define LIMIT_ALIASES 64          /* of a container on one network */

/* what an engine would execute, allocate or wait by */
#define LIMIT_LOG_TAG     KIB        /* a log tag, which is a Go template */
#define LIMIT_LOG_ACTIONS 16         /* "{{.Name}}" in one */
#define LIMIT_LOG_PATTERN 128        /* a regular expression of a log */
#define LIMIT_LOG_LEAST   (16 * KIB) /* the shortest file of a log */
#define LIMIT_DAYS        366        /* times of a health check */
#define LIMIT_RETRIES     1000000    /* of one, and of a restart policy */
#define LIMIT_DEVICES     1024       /* counted in a device request */
#define LIMIT_STATEMENTS  (16 * KIB) /* the changes of a commit or an import */
#define LIMIT_VARIABLES   16         /* lines of them that name a variable */
#define LIMIT_COMMIT_ENV  (64 * KIB) /* the variables themselves */
#define LIMIT_PORTS       262144     /* that the filters of one list name */

/* buffers between the two sides of an exchange; a full one stops reading */
#define LIMIT_MEMORY                                                           \
    (512 * MIB) /* of all of them in the process, with decoders, tunnels and   \
                   what the engine answered berth itself */
#define LIMIT_OUT           (256 * KIB)
#define LIMIT_DRAIN         MIB        /* read and dropped after a refusal */
#define LIMIT_CREATED_REPLY (16 * KIB) /* of which an ID is read */

/* HTTP/2 and gRPC, in BuildKit's tunnels */
#define LIMIT_GRPC_MESSAGE  (16 * MIB) /* one, as gRPC's own in the engine */
#define LIMIT_GRPC_GATHERED (64 * MIB) /* of messages that come, per tunnel */
#define LIMIT_GRPC_HEAD     MIB        /* .dockerignore's patterns are in it */
#define LIMIT_GRPC_FIELDS   16384      /* of one head, each a pattern */
#define LIMIT_GRPC_CONTINUATIONS                                               \
    64                            /* frames of one head; LIMIT_GRPC_HEAD in    \
                                     frames of 16 KiB */
#define LIMIT_GRPC_STREAMS    250 /* calls at a time; Go's servers have it too */
#define LIMIT_GRPC_RESETS     1000 /* of calls, at once */
#define LIMIT_GRPC_RESET_RATE 33   /* and a second from there on */
#define LIMIT_GRPC_ACKS       1000 /* SETTINGS and PINGs not answered yet */
#define LIMIT_GRPC_QUEUE      512 /* frames to send; above it nothing is read */
#define LIMIT_GRPC_HELD       (32 * MIB) /* bytes under way from one side */
#define LIMIT_GRPC_PENDING                                                     \
    (256 * KIB)                      /* of one call, before a judged           \
                                        message more is taken up */
#define LIMIT_GRPC_STATUS (64 * KIB) /* the text, the details of an end */

#define LIMIT_BUILD_SESSIONS   1024 /* open at a time, of a namespace */
#define LIMIT_BUILD_PUSH_WAITS 50   /* times that a push is waited for */

/* archives: compressed ones, and those of images */
#define LIMIT_UNPACK_MEMORY                                                    \
    (72 * MIB) /* of one decoder: enough for "xz -9", and                      \
                  for a zstd window of 64 MiB */
#define LIMIT_UNPACK_FREE    (1024 * MIB) /* unpacked, whatever it came from */
#define LIMIT_UNPACK_FACTOR  200 /* beyond that: bytes out for a byte in */
#define LIMIT_UPLOAD_HELD    (2 * LIMIT_OUT) /* what has no room yet */
#define LIMIT_TAR_NAME       KIB        /* of an entry, and where it leads */
#define LIMIT_TAR_PAX        (64 * KIB) /* what is said about one entry */
#define LIMIT_ARCHIVE_JSON   (4 * MIB)  /* a file with names in it */
#define LIMIT_ARCHIVE_VALUES 131072     /* JSON values in it */
#define LIMIT_ARCHIVE_NAME   (2 * KIB)  /* of an image, mapped */

/* the link */
#define LIMIT_CHANNELS      4096
#define LIMIT_GIVEN_UP      256         /* of one listener's, that linger */
#define LIMIT_HOSTS         32          /* of one policy, with an engine each */
#define LIMIT_LINKS         16          /* SSH connections to one host */
#define LIMIT_POOL_IDLE     256         /* streams kept for the next request */
#define LIMIT_SUBREQUEST    (32 * MIB)  /* the engine's reply to berth itself */
#define LIMIT_LINK_OUTPUT   MIB         /* above it, clients are not read */
#define LIMIT_CHANNEL_INPUT (256 * KIB) /* the window of one channel */
#define LIMIT_PORT_INPUT    (64 * KIB)  /* of one that leads to a port */
#define LIMIT_LONG_INPUT    (16 * MIB) /* of one whose owner keeps up with it */
#define LIMIT_LINK_LENT     (128 * MIB) /* of all, beyond these */
#define LIMIT_BANNER        255         /* RFC 4253, 4.2 */
#define LIMIT_KNOWN_HOSTS   (4 * MIB)
#define LIMIT_KEY_FILE      (64 * KIB)
#define LIMIT_IDENTITIES    16
#define LIMIT_JUMPS         8          /* jump hosts on the way to one engine */
#define LIMIT_PROXY_REPLY   (16 * KIB) /* of one that is asked to connect */
#define LIMIT_CREDENTIALS   (4 * KIB)  /* the file with a proxy's */
#define LIMIT_HOST          253        /* a host name, RFC 1035 */
#define LIMIT_USER          255

/* an engine's networks, looked through by a check */
#define LIMIT_NETWORK_RANGES 4096

/* ssh_config */
#define LIMIT_SSH_CONFIG        MIB       /* all files of one */
#define LIMIT_SSH_CONFIG_FILES  128       /* read, with what they include */
#define LIMIT_SSH_CONFIG_DEPTH  16        /* of Includes; as ssh has it */
#define LIMIT_SSH_CONFIG_LINE   (8 * KIB) /* one line, one expanded value */
#define LIMIT_KNOWN_HOSTS_FILES 32        /* of one option; as ssh has it */

/* the policy document */
#define LIMIT_POLICY      MIB
#define LIMIT_NAMESPACE   32
#define LIMIT_RUNNER_NAME 255       /* bytes, of what becomes a namespace */
#define LIMIT_REASON      512       /* the text of a refusal */
#define LIMIT_REFUSALS    8         /* of one request, that are told together */
#define LIMIT_CONTACT     200       /* bytes that an operator adds to them */
#define LIMIT_ERROR_TEXT  (8 * KIB) /* an error of berth's own */
#define LIMIT_POLICY_TEXT (4 * KIB) /* one string of a policy */
#define LIMIT_POLICY_LIST 1024      /* entries of one of its lists */
#define LIMIT_PROBLEMS    100       /* reported about one document */

/* what is written */
#define LIMIT_AUDIT_LINE  MIB
#define LIMIT_CHAIN_LINES (16 * MIB) /* verified in one go */
#define LIMIT_CHAIN_FILES 4096
#define LIMIT_AUDIT_QUEUE MIB           /* records that wait for their reader */
#define LIMIT_AUDIT_BURST (8 * MIB)     /* of a listener's calls that change */
#define LIMIT_AUDIT_RATE  (64 * KIB)    /* nothing: at once, and each second */
#define LIMIT_AUDIT_SHORT ((size_t)256) /* of a refused request's path */
#define AUDIT_SPACE_LOW   (1024 * MIB)  /* or a twentieth of a small disk */
#define LIMIT_LOG_QUEUE   (256 * KIB)   /* lines that wait for their reader */
#define LIMIT_LACKS       16  /* what a policy lacks for one request */
#define LIMIT_LACK_WORD   256 /* bytes of each */
#define LIMIT_ENGINE_ID   127 /* bytes of the ID that an engine tells */
#define LIMIT_JOB_WORDS   16  /* names of labels and variables of audit.job */
#define LIMIT_JOB_VALUE   ((size_t)256)  /* bytes of one of their values */
#define LIMIT_JOB_BYTES   ((size_t)1024) /* of all of them and their names */
#define LIMIT_JOBS        2048 /* names and IDs of things whose job is known */
#define LIMIT_AUDIT_PART  (16 * KIB) /* of what a client can make long */

/* the namespace */
#define LIMIT_NAME             ((size_t)255) /* of an engine's object: a directory's */
#define LIMIT_OWNED            4096 /* IDs known to be a namespace's own */
#define LIMIT_LOOKUPS          512  /* what the engine is asked, per request */
#define LIMIT_PUSH_TAGS        128  /* of one repository, pushed in turns */
#define LIMIT_REPLY_LINE       MIB  /* one line of a stream of JSON */
#define LIMIT_REPLY_DEPTH      512  /* levels of its JSON */
#define LIMIT_REPLY            (64 * MIB) /* a reply that is rewritten as a whole */
#define LIMIT_LINE             (16 * MIB) /* one line of a stream that is rewritten */
#define LIMIT_BUILD_HELD_LINES 1000      /* of a quiet build, for its failure */
#define LIMIT_BUILD_HELD_LINE  (4 * KIB) /* longer ones are not kept */
#define LIMIT_LIST_ELEMENT     (16 * MIB) /* of a list of the engine's */
#define LIMIT_LIST_LABELS      (4 * KIB)  /* an element from which labels go */
#define LIMIT_PATTERN          KIB        /* a pattern in a name filter */
#define LIMIT_PATTERNS         512        /* of one request */
#define LIMIT_MATCH_STEPS      100000     /* of one pattern on one name */
#define LIMIT_MATCH_HEAP       1024       /* KiB, of the same */
#define LIMIT_MATCH_ALL        4000000    /* steps, of all of one request's */
#define LIMIT_MATCH_RATE       4000000    /* and of a listener's, each second */

/* builds with BuildKit */
#define LIMIT_PB_DEPTH       64     /* levels of a protobuf message */
#define LIMIT_PB_VALUES      131072 /* values in it; each costs memory */
#define LIMIT_BUILD_ID       128    /* a client's name of a build, a session */
#define LIMIT_BUILD_TEXT     (64 * KIB) /* one option of a build */
#define LIMIT_BUILD_RULES    1024       /* of a client's source policy */
#define LIMIT_BUILD_DIGESTS  4096       /* of its own builds, per tunnel */
#define LIMIT_BUILD_BLOB     (4 * MIB)  /* of content that is looked into */
#define LIMIT_BUILD_REPLACED 64  /* images that one build leaves untagged */
#define LIMIT_BUILD_NOTES    256 /* of each kind on record, per call */
#define LIMIT_BUILD_NOTE     256 /* bytes of each */
/* what one namespace takes of its engine */
#define LIMIT_LOST      64   /* requests without a reply, listed one by one */
#define LIMIT_LEFTOVERS 4096 /* objects of one kind, removed in one round */
#define LIMIT_OWNERS    4096 /* namespaces of one engine, cleaned in one go */

/* ports that go to the runner's localhost, of one listener */
#define LIMIT_MOUNT_LABEL      (64 * KIB) /* what one mounts of the host */
#define LIMIT_PORT_LABEL       (64 * KIB) /* what one container wishes */
#define LIMIT_PORT_LISTENERS   1024       /* sockets that are listened on */
#define LIMIT_PORT_CONNECTIONS 1024       /* at a time; more of them wait */
#define LIMIT_PORT_NOTES       1024       /* containers that were just made */
/* the SSH connections to one host for them, which open one port at a time */
#define LIMIT_PORT_LINKS   8    /* at a time */
#define LIMIT_PORT_OPEN_MS 5000 /* then a port is one that does not answer */
#define LIMIT_PORT_SLOW_MS 250  /* then the next goes over another one */
/* and of UDP: a flow is a client's address and a port. Where there are too
 * many, the one that was used the longest ago ends. */
#define LIMIT_PORT_FLOWS      1024 /* at a time */
#define LIMIT_PORT_FLOWS_EACH 256  /* of one port */
#define LIMIT_PORT_RELAYS     64   /* containers with some */
#define LIMIT_PORT_HELD       MIB  /* datagrams that wait for their container */
#define LIMIT_FLOW_HELD       16   /* of them, of one flow */

/* trees of files that are kept in step */
#define LIMIT_FILES_ENTRIES    ((size_t)1000000)   /* of one tree */
#define LIMIT_FILES_NAMES      (256 * MIB)         /* bytes of their paths */
#define LIMIT_FILES_BYTES      (1024 * 1024 * MIB) /* of their content */
#define LIMIT_FILES_PATH       ((size_t)4095) /* a path, where a link leads */
#define LIMIT_FILES_NAME       ((size_t)255)  /* one part of a path */
#define LIMIT_FILES_DEPTH      128            /* parts of a path */
#define LIMIT_FILES_MOUNTS     256            /* paths that are mounted */
#define LIMIT_FILES_PIECE      (64 * KIB)     /* of content, in a message */
#define LIMIT_FILES_MESSAGE    (LIMIT_FILES_PIECE + 16 * KIB)
#define LIMIT_FILES_BATCH      4096 /* asked for before an answer is waited for */
#define LIMIT_FILES_BATCH_TEXT MIB         /* of the paths in it */
#define LIMIT_FILES_SAVED      (128 * MIB) /* of what is kept for a restart */
#define LIMIT_FILES_WATCHES    8192        /* directories of one tree */
#define LIMIT_FILES_REASON     256         /* why the other end gave up */

/* what judging one request may leave behind */
#define LIMIT_CHANGES  64 /* further ones are counted */
#define LIMIT_WARNINGS 16 /* further ones are left out */
#define LIMIT_NEEDS    8

/* a Dockerfile of the classic builder */
#define LIMIT_DOCKERFILE         MIB        /* and a .dockerignore */
#define LIMIT_DOCKERFILE_WRITTEN (2 * MIB)  /* with IDs in it */
#define LIMIT_DOCKERFILE_LINE    65535      /* joined; as engines have it */
#define LIMIT_DOCKERFILE_LINES   4096       /* instructions */
#define LIMIT_DOCKERFILE_IMAGES  64         /* that it names */
#define LIMIT_DOCKERFILE_URLS    64         /* that it adds */
#define LIMIT_DOCKERFILE_VARS    512        /* of one kind in one stage */
#define LIMIT_DOCKERFILE_WORD    (64 * KIB) /* one word, expanded */
#define LIMIT_DOCKERFILE_WORK    (64 * MIB) /* looked at to expand all */
