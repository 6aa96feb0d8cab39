#include "policy/build/build_private.h"

/* What the engine asks a session for: the runner's own, handed to its own
 * build. Names go on record, values never. */

/* Credentials go to registries that the policy knows. */
static bool judge_host(struct build_call *call, struct str host)
{
    const struct rules *rules = &call->view->rules[0];

    build_note(call, "hosts", host);
    if (str_eq(host, S("registry-1.docker.io")) ||
        str_eq(host, S("https://index.docker.io/v1/")) ||
        str_eq(host, S("index.docker.io")))
        host = S("docker.io");
    return image_registry_may_be_asked(&rules->images.registries, host) ||
           image_registry_may_be_asked(&rules->images.push, host) ||
           image_registry_may_be_asked(&rules->build.frontends, host) ||
           build_refuse(call, 403, "images.registries", "Host",
                        "the registry %.*s is not allowed here; to allow it, "
                        "add it to images.registries in the policy",
                        STR_FMT(str_head(host, 150)));
}

bool build_judge_session(struct build_call *call, struct pb_message *message)
{
    enum { FIRST = 1, TOKEN_HOST = 2 };

    switch ((int)call->method->id) {
    case RPC_CREDENTIALS:
    case RPC_TOKEN_AUTHORITY:
        return judge_host(call, pb_text(message, FIRST));
    case RPC_FETCH_TOKEN:
        return judge_host(call, pb_text(message, TOKEN_HOST));
    case RPC_GET_SECRET:
        build_note(call, "secrets", pb_text(message, FIRST));
        return true;
    default:
        build_note(call, "ssh", pb_text(message, FIRST));
        return true;
    }
}
