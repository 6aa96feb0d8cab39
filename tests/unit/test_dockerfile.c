#include "tests/unit/unit.h"

#include <stdlib.h>

#include "policy/docker/dockerfile.h"

/* The reading of a Dockerfile: its images, each resolved to "i0", "i1", ... */
struct reading {
    struct dockerfile *df;
    struct verdict why;
    struct strbuf images; /* "a b" */
    struct strbuf written;
    struct strbuf urls;
    int r;
};

static const char *inspected; /* what all images have, or NULL */

static struct reading read_file(const char *text, const char *args,
                                const char *target)
{
    struct reading rd = {.images = STRBUF(4096),
                         .urls = STRBUF(4096),
                         .written = STRBUF(4 * LIMIT_DOCKERFILE)};
    json_auto_t *build_args = json_loads(args ? args : "{}", 0, NULL);
    json_auto_t *image = inspected ? json_loads(inspected, 0, NULL) : NULL;

    assert_non_null(build_args);
    rd.r = -1;
    rd.df =
        dockerfile_read(str_from(text), build_args, str_from(target), &rd.why);
    if (!rd.df)
        return rd;
    for (size_t i = 0; i < dockerfile_image_count(rd.df); i++) {
        char sent[32];

        snprintf(sent, sizeof(sent), "i%zu", i);
        strbuf_addf(&rd.images, "%s%.*s", i ? " " : "",
                    STR_FMT(dockerfile_image(rd.df, i)));
        dockerfile_resolve(rd.df, i, str_from(sent), image);
    }
    rd.r = dockerfile_check(rd.df, &rd.why);
    for (size_t i = 0; i < dockerfile_url_count(rd.df); i++)
        strbuf_addf(&rd.urls, "%s%.*s", i ? " " : "",
                    STR_FMT(dockerfile_url(rd.df, i)));
    if (rd.r == 0)
        rd.r = dockerfile_put(rd.df, &rd.written, &rd.why);
    return rd;
}

static void reading_fini(struct reading *rd)
{
    dockerfile_free(rd->df);
    strbuf_fini(&rd->images);
    strbuf_fini(&rd->written);
    strbuf_fini(&rd->urls);
}

static void expect(const char *text, const char *args, const char *target,
                   const char *images, const char *written)
{
    AUTO(reading_fini) struct reading rd = read_file(text, args, target);

    if (rd.r)
        fail_msg("%s: refused: %s", text, rd.why.reason);
    if (!str_eq(strbuf_str(&rd.images), str_from(images)))
        fail_msg("%s: images: %.*s", text, STR_FMT(strbuf_str(&rd.images)));
    if (written && !str_eq(strbuf_str(&rd.written), str_from(written)))
        fail_msg("%s\nis written\n%.*s", text,
                 STR_FMT(strbuf_str(&rd.written)));
}

static void expect_refusal(const char *text, const char *words)
{
    AUTO(reading_fini) struct reading rd = read_file(text, NULL, NULL);

    if (rd.r == 0)
        fail_msg("%s is not refused", text);
    if (rd.why.status != 400 || !strstr(rd.why.reason, words))
        fail_msg("%s: %d %s", text, rd.why.status, rd.why.reason);
}

static void images_are_found_and_written_by_what_they_are(void **state)
{
    (void)state;
    expect("FROM app\n", NULL, NULL, "app", "FROM i0\n");
    expect("from app as b\nRUN x\n", NULL, NULL, "app",
           "FROM i0 AS b\nRUN x\n");
    expect("FROM --platform=linux/amd64 app AS b", NULL, NULL, "app",
           "FROM --platform=linux/amd64 i0 AS b\n");
    expect("FROM \"app\"\nFROM 'a'pp", NULL, NULL, "app", "FROM i0\nFROM i0\n");
    expect("FROM scratch\nCOPY --from=app /a /b\n", NULL, NULL, "app",
           "FROM scratch\nCOPY --from=i0 /a /b\n");
    expect("FROM Scratch", NULL, NULL, "Scratch", NULL);
    expect("FROM app:1@sha256:12", NULL, NULL, "app:1@sha256:12", NULL);
    expect("FROM scratch\nCOPY --from=app\n", NULL, NULL, "app",
           "FROM scratch\nCOPY --from=i0\n");
    expect("FROM app\n\n\n\nFROM app\nCOPY --chown=1:2 --from=\"app\" a b",
           NULL, NULL, "app",
           "FROM i0\n\n\n\nFROM i0\nCOPY --from=i0 --chown=1:2 a b\n");
}

static void stages_are_no_images(void **state)
{
    (void)state;
    expect("FROM app AS Build\nFROM BUILD\nCOPY --from=build a b\n"
           "COPY --from=0 a b\nCOPY --from=+1 a b",
           NULL, NULL, "app",
           "FROM i0 AS Build\nFROM Build\nCOPY --from=build a b\n"
           "COPY --from=0 a b\nCOPY --from=+1 a b\n");
    /* a stage is none to itself, nor to those before it */
    expect("FROM a AS x\nCOPY --from=x a b\nCOPY --from=y a b\nFROM y AS y\n",
           NULL, NULL, "a x y",
           "FROM i0 AS x\nCOPY --from=i1 a b\nCOPY --from=i2 a b\n"
           "FROM i2 AS y\n");
    /* FROM takes no number for a stage */
    expect("FROM a\nFROM 0\nCOPY --from=99999999999 a b", NULL, NULL,
           "a 0 99999999999", NULL);
}

static void what_lies_behind_the_target_is_not_asked_for(void **state)
{
    (void)state;
    expect("FROM a AS x\nFROM b AS y\nCOPY --from=c a b\nFROM x\n", NULL, "X",
           "a",
           "FROM i0 AS x\nFROM scratch AS y\nCOPY --from=0 a b\n"
           "FROM scratch\n");
    expect("FROM a AS x\nFROM b AS y\n", NULL, "nowhere", "a b", NULL);
}

static void arguments_are_put_in(void **state)
{
    (void)state;
    expect("ARG x=app\nFROM $x\n", NULL, NULL, "app", "ARG x=app\nFROM i0\n");
    expect("ARG x=app\nFROM $x\n", "{\"x\": \"b\"}", NULL, "b", NULL);
    expect("ARG x=app\nFROM $x\n", "{\"x\": null}", NULL, "app", NULL);
    expect("FROM ${x:-app}\n", "{\"x\": \"b\"}", NULL, "app", NULL);
    expect("ARG x\nFROM ${x:-app}\n", "{\"x\": \"b\"}", NULL, "b", NULL);
    expect("ARG x=a y=b\nARG z=\"$x$y\"\nFROM ${z}:${t:-1}", NULL, NULL, "ab:1",
           NULL);
    expect("FROM $HTTP_PROXY\n", "{\"HTTP_PROXY\": \"p\"}", NULL, "p", NULL);
    /* an ARG of a stage is none to the next FROM */
    expect("FROM a\nARG x=evil\nFROM ${x:-b}\n", NULL, NULL, "a b", NULL);
    expect("ARG s=build\nFROM a AS build\nFROM $s", NULL, NULL, "a",
           "ARG s=build\nFROM i0 AS build\nFROM build\n");
    expect("ARG s=scratch\nFROM $s", NULL, NULL, "",
           "ARG s=scratch\nFROM scratch\n");
}

static void lines_are_put_together_as_docker_does(void **state)
{
    (void)state;
    expect("\xef\xbb\xbf"
           "FROM app\r\nRUN a \\\r\n  b\r\n",
           NULL, NULL, "app", "FROM i0\nRUN a   b\n");
    expect("# escape=`\nFROM `\napp\nRUN a\\\nRUN b", NULL, NULL, "app",
           "# escape=`\nFROM i0\n\nRUN a\\\nRUN b\n");
    expect("#syntax=x\n# Escape = `\nFROM `\napp", NULL, NULL, "app", NULL);
    expect("# a comment\n# escape=`\nFROM \\\napp", NULL, NULL, "app", NULL);
    expect("FROM \\\n# FROM evil\n\n   \\\n  app", NULL, NULL, "app",
           "FROM i0\n");
    expect("FRO\\\nM app\n", NULL, NULL, "app", "FROM i0\n");
    expect("FROM app\nRUN a \\\\\nRUN b\n", NULL, NULL, "app",
           "FROM i0\nRUN a \\\\\nRUN b\n");
    expect("\n\n  FROM app\n\nRUN x \\ \t\n y", NULL, NULL, "app",
           "\n\nFROM i0\n\nRUN x  y\n");
    expect("FROM app\nRUN x \\", NULL, NULL, "app", "FROM i0\nRUN x\n");
    expect("\xc2\xa0#c\n\xc2\xa0"
           "FROM app\t AS\vb",
           NULL, NULL, "app", "\nFROM i0 AS b\n");
    expect("FROM app\nRUN echo 'FROM x'\nRUN [\"a\", \"<<b\"]", NULL, NULL,
           "app", "FROM i0\nRUN echo 'FROM x'\nRUN [\"a\", \"<<b\"]\n");
    expect("FROM app\nCOPY --from=x -- --from=y z /", NULL, NULL, "app x",
           "FROM i0\nCOPY --from=i1 -- --from=y z /\n");
}

static void what_docker_refuses_is_refused(void **state)
{
    (void)state;
    expect_refusal("", "file with no instructions");
    expect_refusal("# nothing\n", "file with no instructions");
    expect_refusal("RUN x", "no build stage in current context");
    expect_refusal("ARG x", "No image was generated");
    expect_refusal("FROM", "line 1: FROM requires either one or three");
    expect_refusal("FROM a b", "FROM requires either one or three");
    expect_refusal("\nFROM a is b", "line 2: FROM requires");
    expect_refusal("FROM a AS 1b", "invalid name for build stage");
    expect_refusal("FROM a AS \xe2\x84\xaa", "invalid name for build stage");
    expect_refusal("FROM $x", "base name ($x) should not be blank");
    expect_refusal("FROM ${x", "syntax error");
    expect_refusal("FROM --plat=x a", "unknown flag: --plat");
    expect_refusal("FROM --platform a", "missing a value");
    expect_refusal("FROM --platform=a --platform=b a", "duplicate flag");
    expect_refusal("FROM a\nCOPY --from a b", "missing a value");
    expect_refusal("FROM a\nCOPY --from=a --from=b a b", "duplicate flag");
    expect_refusal("FROM a\nCOPY --from=$x a b", "invalid from flag value $x");
    expect_refusal("# escape=x\nFROM a", "invalid escape token");
    expect_refusal("# escape=`\n#escape=`\nFROM a", "only one escape");
    expect_refusal("FROM a\n\\", "unknown instruction");
}

static void what_could_be_read_in_two_ways_is_refused(void **state)
{
    (void)state;
    expect_refusal("ARG x=app\nFROM ${x%p}", "does not read");
    expect_refusal("FROM \xc3\xa4pp", "not ASCII");
    expect_refusal("FROM a\nRUN <<E\nFROM b\nE", "has no heredocs");
    expect_refusal("FROM a\nONBUILD COPY <<E /x\nE", "has no heredocs");
    expect_refusal("FROM a\nCOPY --from=x --chown=\"a b\" c d",
                   "cannot be written anew");
    expect_refusal("ARG a=$b$b$b\nFROM a\nRUN x\nCOPY --from=\xe2\x84\xaa a b",
                   "invalid from flag value");
}

static void sizes_are_bounded(void **state)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(4 * MIB);
    char line[64];

    (void)state;
    strbuf_add(&text, S("FROM a\n"));
    for (int i = 1; i < LIMIT_DOCKERFILE_LINES; i++)
        strbuf_add(&text, S("RUN x\n"));
    expect(strbuf_cstr(&text), NULL, NULL, "a", NULL);
    strbuf_add(&text, S("RUN x\n"));
    expect_refusal(strbuf_cstr(&text), "instructions");

    strbuf_clear(&text);
    for (int i = 0; i < LIMIT_DOCKERFILE_IMAGES; i++)
        strbuf_addf(&text, "FROM a%d\n", i);
    {
        AUTO(reading_fini)
        struct reading rd = read_file(strbuf_cstr(&text), NULL, NULL);

        assert_int_equal(rd.r, 0);
    }
    strbuf_add(&text, S("FROM b"));
    expect_refusal(strbuf_cstr(&text), "images");

    strbuf_clear(&text);
    strbuf_add(&text, S("FROM a\nRUN "));
    while (text.len < 7 + LIMIT_DOCKERFILE_LINE - 1)
        strbuf_add_char(&text, 'x');
    expect(strbuf_cstr(&text), NULL, NULL, "a", NULL);
    strbuf_add_char(&text, 'x');
    expect_refusal(strbuf_cstr(&text), "line greater than max");

    strbuf_clear(&text);
    while (text.len < LIMIT_DOCKERFILE + 1 - 7)
        strbuf_add_char(&text, '\n');
    strbuf_add(&text, S("FROM a"));
    expect(strbuf_cstr(&text), NULL, NULL, "a", NULL);
    strbuf_add(&text, S("\n"));
    strbuf_add(&text, S("\n"));
    expect_refusal(strbuf_cstr(&text), "bytes");

    /* what doubles is not doubled for ever */
    strbuf_clear(&text);
    strbuf_add(&text, S("ARG a0=0123456789\n"));
    for (int i = 1; i < 60; i++) {
        snprintf(line, sizeof(line), "ARG a%d=$a%d$a%d\n", i, i - 1, i - 1);
        strbuf_add(&text, str_from(line));
    }
    strbuf_add(&text, S("FROM $a59"));
    expect_refusal(strbuf_cstr(&text), "ARG may have");

    strbuf_clear(&text);
    for (int i = 0; i <= LIMIT_DOCKERFILE_VARS; i++)
        strbuf_addf(&text, "ARG a%d\n", i);
    strbuf_add(&text, S("FROM a"));
    expect_refusal(strbuf_cstr(&text), "variables");
}

static void expect_urls(const char *text, const char *urls)
{
    AUTO(reading_fini) struct reading rd = read_file(text, NULL, NULL);

    if (rd.r)
        fail_msg("%s: refused: %s", text, rd.why.reason);
    if (!str_eq(strbuf_str(&rd.urls), str_from(urls)))
        fail_msg("%s: %.*s", text, STR_FMT(strbuf_str(&rd.urls)));
}

static void what_add_fetches_is_told(void **state)
{
    (void)state;
    inspected = "{\"Config\": {\"Env\": [\"BASE=http://base/\"]}}";
    expect_urls("FROM a\nADD a b /c/", "");
    expect_urls("FROM a\nADD http://x/y /c", "http://x/y");
    expect_urls("FROM a\nadd --chown=1 https://x/y HTTP://z/ /c/",
                "https://x/y HTTP://z/");
    expect_urls("FROM a\nADD [\"http://x/y\", \"/c\"]", "http://x/y");
    expect_urls("FROM a\nADD [\"\\u0068ttp://x/y\", \"/c\"]", "http://x/y");
    expect_urls("FROM a\nADD ht\\tp://x/y /c", "http://x/y");
    expect_urls("FROM a\nADD 'ht'tp://x/y /c", "http://x/y");
    expect_urls("FROM a\nENV u=http://x\nADD $u /c", "http://x");
    expect_urls("FROM a\nENV u http://x\nADD ${u}/b /c", "http://x/b");
    expect_urls("FROM a\nENV u=http://x u=y v=$u\nADD a$v $u /", "");
    expect_urls("FROM a\nADD ${BASE}x /c", "http://base/x");
    expect_urls("FROM a\nARG BASE=x\nADD ${BASE}x /c", "http://base/x");
    expect_urls("FROM scratch\nARG BASE=x\nADD ${BASE}x /c", "");
    expect_urls("ARG b=http://x\nFROM scratch\nARG b\nADD $b /c", "http://x");
    expect_urls("ARG b=http://x\nFROM scratch\nADD $b /c", "");
    expect_urls("FROM a AS s\nENV u=http://x\nFROM s\nADD $u /", "http://x");
    expect_urls("FROM a AS s\nARG u=http://x\nFROM s\nADD $u /", "");
    expect_urls("FROM a AS s\nONBUILD ADD http://x /\nFROM s", "http://x");
    expect_urls("FROM a AS s\nONBUILD ENV u=http://x\nFROM s\nADD $u /",
                "http://x");
    /* triggers go off once */
    expect_urls("FROM a AS s\nONBUILD ADD http://x /\nFROM s AS t\nFROM t",
                "http://x");
    expect_urls("FROM a\nADD ${x#y} /c", "$");
    expect_urls("FROM a\nENV x=${y%z}\nADD $x /c", "$");
    expect_urls("FROM a\nENV x=${y%z}\nENV x=b\nADD $x /c", "");
    /* nobody knows what such an image sets */
    inspected = NULL;
    expect_urls("FROM a\nADD $x /c", "$");
    expect_urls("FROM a\nENV x=b\nADD $x /c", "");
    expect_urls("FROM a\nADD x /c", "");
}

static void triggers_of_images_are_read(void **state)
{
    (void)state;
    inspected = "{\"Config\": {\"OnBuild\": [\"COPY . /x\"]}}";
    expect("FROM a", NULL, NULL, "a", "FROM i0\n");
    inspected = "{\"Config\": {\"OnBuild\": [\"COPY --from=0 a b\"]}}";
    expect("FROM a", NULL, NULL, "a", "FROM i0\n");
    inspected = "{\"Config\": {\"OnBuild\": [\"COPY --from=s a b\"]}}";
    expect("FROM scratch AS s\nFROM a", NULL, NULL, "a", NULL);
    expect_refusal("FROM a", "copies from the image s");
    inspected = "{\"Config\": {\"OnBuild\": [\"RUN a\", \"copy --chown=1 "
                "--from=r2.berth.invalid/app a b\"]}}";
    expect_refusal("FROM a", "copies from the image r2.berth.invalid/app");
    inspected = "{\"Config\": {\"OnBuild\": [\"RUN a\\nCOPY --from=b a b\"]}}";
    expect_refusal("FROM a", "cannot be read");
    inspected = "{\"Config\": {\"OnBuild\": [\"FROM b\"]}}";
    expect_refusal("FROM a", "cannot be read");
    inspected = "{\"Config\": {\"OnBuild\": [\"ONBUILD COPY --from=b a b\"]}}";
    expect_refusal("FROM a", "cannot be read");
    inspected = "{\"Config\": {\"OnBuild\": [\"ADD http://x /\"]}}";
    expect_urls("FROM a", "http://x");
    inspected = NULL;
    expect_refusal("FROM a AS s\nONBUILD COPY --from=b a b\nFROM s",
                   "copies from the image b");
}

static void steps_are_shown_as_written(void **state)
{
    AUTO(reading_fini)
    struct reading rd =
        read_file("ARG x=b\n# c\nFROM  \"$x\" \\\n AS y \nRUN z", NULL, NULL);

    (void)state;
    assert_int_equal(rd.r, 0);
    assert_true(str_eq(dockerfile_step(rd.df, 1), S("ARG x=b")));
    assert_true(str_eq(dockerfile_step(rd.df, 2), S("FROM  \"$x\"  AS y")));
    assert_true(str_eq(dockerfile_step(rd.df, 3), S("RUN z")));
    assert_int_equal(dockerfile_step(rd.df, 0).len, 0);
    assert_int_equal(dockerfile_step(rd.df, 4).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_are_found_and_written_by_what_they_are),
        cmocka_unit_test(stages_are_no_images),
        cmocka_unit_test(what_lies_behind_the_target_is_not_asked_for),
        cmocka_unit_test(arguments_are_put_in),
        cmocka_unit_test(lines_are_put_together_as_docker_does),
        cmocka_unit_test(what_docker_refuses_is_refused),
        cmocka_unit_test(what_could_be_read_in_two_ways_is_refused),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(what_add_fetches_is_told),
        cmocka_unit_test(triggers_of_images_are_read),
        cmocka_unit_test(steps_are_shown_as_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
