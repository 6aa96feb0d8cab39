#include "policy/docker/dockerfile_vars.h"

#include <stdlib.h>

#include "policy/base/limits.h"

static struct dockerfile_var *find(const struct dockerfile_vars *vars,
                                   struct str name)
{
    for (size_t i = 0; i < vars->count; i++) {
        if (str_eq(str_from(vars->vars[i].name), name))
            return &vars->vars[i];
    }
    return NULL;
}

const struct dockerfile_var *
dockerfile_vars_find(const struct dockerfile_vars *vars, struct str name)
{
    return find(vars, name);
}

int dockerfile_vars_set(struct dockerfile_vars *vars, struct str name,
                        const struct str *value, bool unknown)
{
    struct dockerfile_var *var = find(vars, name);

    if (!var) {
        if (vars->count >= LIMIT_DOCKERFILE_VARS)
            return DOCKERFILE_VARS_E_MANY;
        vars->vars =
            realloc(vars->vars, (vars->count + 1) * sizeof(*vars->vars));
        if (!vars->vars)
            abort();
        var = &vars->vars[vars->count++];
        *var = (struct dockerfile_var){.name = xstr_dup(name)};
    }
    free(var->value);
    var->value = value ? xstr_dup(*value) : NULL;
    var->unknown = unknown;
    return 0;
}

int dockerfile_vars_copy(struct dockerfile_vars *to,
                         const struct dockerfile_vars *from)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < from->count; i++) {
        const struct dockerfile_var *var = &from->vars[i];
        struct str value = str_from(var->value);

        r = dockerfile_vars_set(to, str_from(var->name),
                                var->value ? &value : NULL, var->unknown);
    }
    return r;
}

void dockerfile_vars_fini(struct dockerfile_vars *vars)
{
    for (size_t i = 0; i < vars->count; i++) {
        free(vars->vars[i].name);
        free(vars->vars[i].value);
    }
    free(vars->vars);
    *vars = (struct dockerfile_vars){0};
}

void dockerfile_scope_fini(struct dockerfile_scope *scope)
{
    dockerfile_vars_fini(&scope->meta);
    dockerfile_vars_fini(&scope->args);
    dockerfile_vars_fini(&scope->env);
}

/* ---- what a name stands for ---- */

/* Arguments that need no ARG. */
static bool is_builtin(struct str name)
{
    static const char *const names[] = {
        "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "FTP_PROXY",
        "ftp_proxy",  "NO_PROXY",   "no_proxy",    "ALL_PROXY",   "all_proxy",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_eq(name, str_from(names[i])))
            return true;
    }
    return false;
}

static enum shell_value value_of(const struct dockerfile_var *var,
                                 struct str *value)
{
    if (var->unknown)
        return SHELL_UNKNOWN;
    *value = str_from(var->value);
    return SHELL_SET;
}

/* Of a build argument: the request's goes before the Dockerfile's, and the
 * stage's before what is above the first FROM. */
static enum shell_value find_arg(const struct dockerfile_scope *scope,
                                 const struct dockerfile_vars *declared,
                                 struct str name, struct str *value)
{
    const struct dockerfile_var *var = find(declared, name);
    const json_t *option = json_object_getn(scope->options, name.ptr, name.len);
    const struct dockerfile_var *meta;

    if (!var && !is_builtin(name))
        return SHELL_UNSET;
    if (json_is_string(option)) {
        *value = str_of(json_string_value(option), json_string_length(option));
        return SHELL_SET;
    }
    if (var && (var->value || var->unknown))
        return value_of(var, value);
    meta = find(&scope->meta, name);
    if (meta && (meta->value || meta->unknown))
        return value_of(meta, value);
    return SHELL_UNSET;
}

/* A short file must not make long work. */
static enum shell_value spend(struct dockerfile_scope *scope,
                              enum shell_value found, struct str value)
{
    scope->work += scope->meta.count + scope->args.count + scope->env.count;
    if (found == SHELL_SET)
        scope->work += value.len;
    return scope->work > LIMIT_DOCKERFILE_WORK ? SHELL_UNKNOWN : found;
}

static enum shell_value find_meta(void *arg, struct str name, struct str *value)
{
    struct dockerfile_scope *scope = arg;

    return spend(scope, find_arg(scope, &scope->meta, name, value), *value);
}

static enum shell_value find_in_stage(void *arg, struct str name,
                                      struct str *value)
{
    struct dockerfile_scope *scope = arg;
    const struct dockerfile_var *var = find(&scope->env, name);

    if (var)
        return spend(scope, value_of(var, value), *value);
    if (scope->env_is_open)
        return SHELL_UNKNOWN;
    return spend(scope, find_arg(scope, &scope->args, name, value), *value);
}

struct shell_env dockerfile_scope_env(struct dockerfile_scope *scope)
{
    return (struct shell_env){find_in_stage, scope};
}

struct shell_env dockerfile_scope_meta_env(struct dockerfile_scope *scope)
{
    return (struct shell_env){find_meta, scope};
}
