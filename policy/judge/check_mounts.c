#include "policy/docker/companion_name.h"
#include "policy/judge/host_source.h"

/*
 * Mounts, of each type that may be asked for; and containers whose volumes are
 * taken.
 */

/* MOUNT becomes one of what the runner or its container has. */
static void take_elsewhere(struct judge *judge, const struct place *source_at,
                           const struct bind_wish *wish, json_t *mount,
                           bool make)
{
    json_t *options = json_object_get(mount, "BindOptions");

    json_object_set_new(mount, "Source",
                        json_stringn(wish->host.ptr, wish->host.len));
    bind_mark_elsewhere(judge, wish, mount, member_text(options, "Propagation"),
                        make);
    json_object_del(mount, "BindOptions");
    judge_note(judge, CHANGE_MAPPED, source_at);
}

static bool judge_bind_mount(struct judge *judge, const struct place *place,
                             json_t *mount)
{
    json_t *options = json_object_get(mount, "BindOptions");
    struct place source_at = place_field(place, mount, "Source");
    struct place options_at = place_field(place, mount, "BindOptions");
    struct place create_at =
        place_field(&options_at, options, "CreateMountpoint");
    struct place access_at = place_field(place, mount, "ReadOnly");
    json_auto_t *asked = json_deep_copy(mount);
    bool make = json_is_true(json_object_get(options, "CreateMountpoint"));
    AUTO(bind_wish_fini)
    struct bind_wish wish = {
        .source = member_text(asked, "Source"),
        .read_only = json_is_true(json_object_get(mount, "ReadOnly")),
        .host = STRBUF(2 * LIMIT_PATH),
    };

    if (!judge_host_source(judge, &source_at, &wish))
        return false;
    if (wish.left_out)
        return bind_leave_out(judge, place);
    if (wish.leads_back) {
        strbuf_add(&wish.host, S(SOCKET_MARK_MOUNT));
        strbuf_add(&wish.host, wish.source);
        json_object_del(mount, "BindOptions");
    }
    if (wish.force_read_only) {
        json_object_set_new(mount, "ReadOnly", json_true());
        judge_note(judge, CHANGE_INJECTED, &access_at);
    }
    if (wish.shared_read_only &&
        json_is_true(json_object_get(options, "ReadOnlyNonRecursive")) &&
        !judge_refuse(judge, 403, "container.mounts", &options_at,
                      "ReadOnlyNonRecursive leaves what is mounted further "
                      "down writable; leave it out"))
        return false;
    if (wish.listed && !wish.create && !wish.copied.len && make) {
        json_object_set_new(options, "CreateMountpoint", json_false());
        judge_note(judge, CHANGE_INJECTED, &create_at);
    }
    if (bind_is_elsewhere(&wish)) {
        take_elsewhere(judge, &source_at, &wish, mount, make);
    } else if (bind_is_mapped(&wish)) {
        json_object_set_new(mount, "Source",
                            json_stringn(wish.host.ptr, wish.host.len));
        judge_note(judge, CHANGE_MAPPED, &source_at);
    } else {
        return true;
    }
    bind_note_asked(judge, member_text(mount, "Target"), "mount",
                    json_incref(asked));
    return true;
}

static bool judge_volume_mount(struct judge *judge, const struct place *place,
                               json_t *mount)
{
    struct str name = member_text(mount, "Source");
    struct place at = place_field(place, mount, "Source");

    return name.len == 0 || object_name_is_good(name) ||
           judge_refuse(judge, 400, "container.mounts", &at,
                        "\"%.*s\" is no name of a volume; for a path of the "
                        "host, the type is bind",
                        STR_FMT(str_head(name, 200)));
}

static bool judge_image_mount(struct judge *judge, const struct place *place,
                              json_t *mount)
{
    struct place at = place_field(place, mount, "Source");

    return judge_image(judge, &at, member_text(mount, "Source"));
}

bool check_mount(struct judge *judge, const struct field *field,
                 const struct place *place, json_t *mount)
{
    static const struct {
        struct str type;
        bool (*judge)(struct judge *, const struct place *, json_t *);
    } types[] = {
        {STR("bind"),   judge_bind_mount  },
        {STR("volume"), judge_volume_mount},
        {STR("tmpfs"),  judge_tmpfs_mount },
        {STR("image"),  judge_image_mount },
    };
    struct str type = member_text(mount, "Type");
    struct place at = place_field(place, mount, "Type");

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (str_eq(type, types[i].type))
            return types[i].judge(judge, place, mount);
    }
    return judge_forbid(judge, field->rule, &at,
                        "mounts of type \"%.*s\" are not allowed; use volume, "
                        "tmpfs, image or bind",
                        STR_FMT(str_head(type, 40)));
}

bool check_mounts(struct judge *judge, const struct field *field,
                  const struct place *place, json_t *list)
{
    (void)judge;
    (void)field;
    (void)place;
    binds_remove_left_out(list);
    return true;
}

static bool check_volume_source(struct judge *judge, const struct field *field,
                                const struct place *place, struct str text)
{
    struct str ref, mode;

    str_cut(text, ':', &ref, &mode);
    if (str_has_prefix(ref, S("/")))
        ref = str_from_index(ref, 1);
    return object_name_is_good(ref) ||
           judge_refuse(judge, 400, field->rule, place,
                        "\"%.*s\" names no container; write NAME or NAME:ro",
                        STR_FMT(str_head(text, 200)));
}

bool check_volumes_from(struct judge *judge, const struct field *field,
                        const struct place *place, json_t *list)
{
    return each_text(judge, field, place, list, check_volume_source);
}
