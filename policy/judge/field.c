#include "policy/judge/field.h"

#include <string.h>

static const struct record *const bodies[OP_COUNT] = {
    [OP_SYSTEM_AUTH] = &auth_record,
    [OP_CONTAINER_CREATE] = &container_create_record,
    [OP_CONTAINER_UPDATE] = &container_update_record,
    [OP_CONTAINER_EXEC] = &exec_create_record,
    [OP_EXEC_START] = &exec_start_record,
    [OP_CHECKPOINT_CREATE] = &checkpoint_create_record,
    [OP_IMAGE_COMMIT] = &container_config_record,
    [OP_NETWORK_CREATE] = &network_create_record,
    [OP_NETWORK_CONNECT] = &network_connect_record,
    [OP_NETWORK_DISCONNECT] = &network_disconnect_record,
    [OP_VOLUME_CREATE] = &volume_create_record,
};

const struct record *body_record(enum operation operation)
{
    return bodies[operation];
}

const struct field *record_find(const struct record *record, const char *key,
                                size_t hint)
{
    for (size_t i = 0, at = hint; i < record->count; i++, at++) {
        const struct field *field;

        if (at >= record->count)
            at = 0;
        field = &record->fields[at];
        if (field->name[0] == key[0] && strcmp(field->name, key) == 0)
            return field;
    }
    return NULL;
}

const struct field *record_find_folded(const struct record *record,
                                       const char *key)
{
    for (size_t i = 0; i < record->count; i++) {
        if (str_eq_nocase(str_from(record->fields[i].name), str_from(key)))
            return &record->fields[i];
    }
    return NULL;
}
