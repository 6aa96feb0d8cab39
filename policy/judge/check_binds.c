#include "policy/docker/bind_spec.h"
#include "policy/docker/companion_name.h"
#include "policy/judge/host_source.h"

/*
 * Binds: mounts as strings, SOURCE:TARGET[:OPTIONS]. One of a path that the
 * policy lists becomes a Mount, unless the engine may create that path.
 */

/* SPEC with another source, in a Binds string. */
static void put_bind(struct strbuf *out, const struct bind_spec *spec,
                     const struct bind_wish *wish)
{
    bool good = strbuf_add(out, strbuf_str(&wish->host)) == 0 &&
                strbuf_add_char(out, ':') == 0 &&
                strbuf_add(out, spec->target) == 0;

    if (good && (spec->options.len || wish->force_read_only))
        good = strbuf_add_char(out, ':') == 0 &&
               strbuf_add(out, spec->options) == 0;
    if (good && wish->force_read_only)
        good = strbuf_add(out, spec->options.len ? S(",ro") : S("ro")) == 0;
    if (!good)
        strbuf_clear(out);
}

static bool rewrite_bind(struct judge *judge, const struct place *place,
                         const struct bind_spec *spec,
                         const struct bind_wish *wish)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_JSON_BODY);
    bool mapped = bind_is_mapped(wish);

    if (!mapped && !wish->force_read_only)
        return true;
    put_bind(&text, spec, wish);
    if (text.len == 0)
        return judge_refuse(judge, 413, "container.mounts", place, "too long");
    if (mapped) {
        bind_note_asked(judge, spec->target, "bind",
                        json_stringn(wish->text.ptr, wish->text.len));
        judge_note(judge, CHANGE_MAPPED, place);
    }
    if (wish->force_read_only)
        judge_note(judge, CHANGE_INJECTED, place);
    place_set(place, json_stringn(text.ptr, text.len));
    return true;
}

/*
 * An engine makes what is missing of a path in Binds, as root, and takes a
 * symbolic link on the way for what it leads to; of a Mount it says that it is
 * not there. So a bind becomes one, here in its place among the Binds.
 */
static bool put_mount(struct judge *judge, const struct place *place,
                      const struct bind_spec *spec,
                      const struct bind_wish *wish)
{
    bool read_only = spec->read_only || wish->force_read_only;
    json_t *mount;

    if (spec->relabel && !bind_is_elsewhere(wish) &&
        !judge_refuse(judge, 403, "container.mounts", place,
                      "z and Z go only with a mount that the policy lets the "
                      "engine create; leave them out, or have the policy say "
                      "\"create\": true in container.mounts"))
        return false;
    mount =
        json_pack("{s:s, s:s%, s:s%}", "Type", "bind", "Source", wish->host.ptr,
                  wish->host.len, "Target", spec->target.ptr, spec->target.len);
    if (read_only)
        json_object_set_new(mount, "ReadOnly", json_true());
    if (bind_is_elsewhere(wish))
        bind_mark_elsewhere(judge, wish, mount, spec->propagation, true);
    else if (spec->propagation.len)
        json_object_set_new(mount, "BindOptions",
                            json_pack("{s:s%}", "Propagation",
                                      spec->propagation.ptr,
                                      spec->propagation.len));
    bind_note_asked(judge, spec->target, "bind",
                    json_stringn(wish->text.ptr, wish->text.len));
    judge_note(judge, CHANGE_MOVED, place);
    if (bind_is_mapped(wish) || bind_is_elsewhere(wish))
        judge_note(judge, CHANGE_MAPPED, place);
    if (wish->force_read_only)
        judge_note(judge, CHANGE_INJECTED, place);
    place_set(place, mount);
    return true;
}

/* Isolation puts the socket's place there, and shows what its client wrote. */
static bool mark_bind(struct judge *judge, const struct place *place,
                      struct str text, const struct bind_spec *spec)
{
    json_t *mount = json_pack("{s:s, s:s+%, s:s%}", "Type", "bind", "Source",
                              SOCKET_MARK_BIND, text.ptr, text.len, "Target",
                              spec->target.ptr, spec->target.len);

    if (spec->read_only)
        json_object_set_new(mount, "ReadOnly", json_true());
    judge_note(judge, CHANGE_MOVED, place);
    judge_note(judge, CHANGE_MAPPED, place);
    place_set(place, mount);
    return true;
}

void move_binds(json_t *host_config)
{
    json_t *binds = json_object_get(host_config, "Binds");
    json_t *mounts = json_object_get(host_config, "Mounts");

    for (size_t i = 0; i < json_array_size(binds);) {
        json_t *bind = json_array_get(binds, i);

        if (!json_is_object(bind)) {
            i++;
            continue;
        }
        if (!mounts) {
            mounts = json_array();
            json_object_set_new(host_config, "Mounts", mounts);
        }
        json_array_append(mounts, bind);
        json_array_remove(binds, i);
    }
}

static bool check_bind(struct judge *judge, const struct field *field,
                       const struct place *place, struct str text)
{
    struct bind_spec spec;
    AUTO(bind_wish_fini)
    struct bind_wish wish = {.host = STRBUF(2 * LIMIT_PATH)};
    const char *fault = bind_spec_parse(text, &spec);

    (void)field;
    if (fault)
        return judge_refuse(judge, 400, "container.mounts", place,
                            "\"%.*s\" %s; write SOURCE:TARGET[:OPTIONS]",
                            STR_FMT(str_head(text, 200)), fault);
    if (!inner_path_is_good(judge, "container.mounts", place, spec.target) ||
        !propagation_is_good(judge, place, spec.propagation))
        return false;
    if (spec.source.len == 0)
        return true; /* an anonymous volume */
    if (spec.source.ptr[0] != '/')
        return object_name_is_good(spec.source) ||
               judge_refuse(judge, 400, "container.mounts", place,
                            "\"%.*s\" is neither an absolute path nor the name "
                            "of a volume",
                            STR_FMT(str_head(spec.source, 200)));
    wish.text = text;
    wish.source = spec.source;
    wish.read_only = spec.read_only;
    wish.read_write = spec.read_write;
    wish.relabel = spec.relabel;
    if (!judge_host_source(judge, place, &wish))
        return false;
    if (wish.left_out)
        return bind_leave_out(judge, place);
    if (wish.leads_back)
        return mark_bind(judge, place, text, &spec);
    return wish.listed && !wish.create
               ? put_mount(judge, place, &spec, &wish)
               : rewrite_bind(judge, place, &spec, &wish);
}

bool check_binds(struct judge *judge, const struct field *field,
                 const struct place *place, json_t *list)
{
    if (!each_text(judge, field, place, list, check_bind))
        return false;
    binds_remove_left_out(list);
    return true;
}
