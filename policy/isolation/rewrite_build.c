#include "policy/isolation/rewrite_private.h"

#include "policy/docker/dockerfile.h"

/*
 * The label that makes an image the runner's own is one more step to the
 * classic builder, at the end of its Dockerfile: "Step 3/4 : LABEL
 * berth.namespace=r1". Neither that step nor what it leaves in the image's
 * history is the runner's, so neither is shown, and the others are counted
 * without it.
 */

static bool is_our_instruction(struct str text)
{
    return str_has_prefix(str_trim(text), S("LABEL " LABEL_PREFIX));
}

/* "Step 3/4 : LABEL a=b" */
struct step {
    uint64_t number, total;
    struct str instruction;
};

static bool step_parse(struct str text, struct step *step)
{
    struct str word, number, total;

    if (!str_cut(text, ' ', &word, &text) || !str_eq(word, S("Step")) ||
        !str_cut(text, '/', &number, &text) ||
        !str_cut(text, ' ', &total, &text) || !str_has_prefix(text, S(": ")) ||
        str_to_u64(number, &step->number) || str_to_u64(total, &step->total))
        return false;
    step->instruction = str_from_index(text, 2);
    return true;
}

/* Is it the builder that says so, and not a program that a step runs? */
static bool is_next(const struct build_output *output, const struct step *step)
{
    return step->number == output->steps + 1 &&
           (output->steps == 0 || step->total == output->total);
}

/* What the builder says of a step, besides the output of its program. */
static bool is_remark(struct str text)
{
    return str_eq(text, S("\n")) || str_has_prefix(text, S(" ---> ")) ||
           str_has_prefix(text, S("Removing intermediate container "));
}

bool build_line_restore(struct rewrite *rw, json_t *line)
{
    struct build_output *output = &rw->build_output;
    const json_t *stream = json_object_get(line, "stream");
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_REPLY_LINE);
    struct str text = str_of_json(stream), written;
    struct step step;

    if (!json_is_string(stream))
        return true;
    if (!step_parse(text, &step) || !is_next(output, &step)) {
        output->hiding = output->hiding && is_remark(text);
        return !output->hiding;
    }
    output->steps = step.number;
    output->total = step.total;
    output->hiding = is_our_instruction(step.instruction);
    written =
        rw->dockerfile ? dockerfile_step(rw->dockerfile, step.number) : S("");
    if (written.len && !output->hiding)
        step.instruction = written;
    if (output->hiding)
        output->hidden++;
    strbuf_addf(&out, "Step %llu/%llu : %.*s",
                (unsigned long long)(step.number - output->hidden),
                (unsigned long long)(step.total - 1),
                STR_FMT(step.instruction));
    json_object_set_new(line, "stream", json_of_str(strbuf_str(&out)));
    return !output->hiding;
}

/* "/bin/sh -c #(nop)  LABEL berth.namespace=r1" */
static bool made_our_label(const json_t *layer)
{
    struct str by = str_of_json(json_object_get(layer, "CreatedBy"));
    struct str shell = S("/bin/sh -c #(nop)");

    return str_has_prefix(by, shell) &&
           is_our_instruction(str_from_index(by, shell.len));
}

void history_restore(json_t *history)
{
    for (size_t i = 0; i < json_array_size(history);) {
        const json_t *layer = json_array_get(history, i);
        json_t *below = json_array_get(history, i + 1);

        if (!made_our_label(layer)) {
            i++;
            continue;
        }
        if (i == 0 && below) { /* the newest is the image itself */
            json_object_set(below, "Id", json_object_get(layer, "Id"));
            json_object_set(below, "Tags", json_object_get(layer, "Tags"));
        }
        json_array_remove(history, i);
    }
}

/* What the container was told to do that made the last layer. */
void container_config_restore(json_t *image)
{
    json_t *config = json_object_get(image, "ContainerConfig");
    json_t *command = json_object_get(config, "Cmd");
    size_t last = json_array_size(command);

    if (last &&
        is_our_instruction(str_of_json(json_array_get(command, last - 1))))
        json_array_remove(command, last - 1);
}
