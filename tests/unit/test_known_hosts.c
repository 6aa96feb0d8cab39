#include "tests/unit/unit.h"

#include "proxy/base/base64.h"
#include "proxy/ssh/known_hosts.h"

/* Three keys; their texts are the base64 of what stands for the wire format. */
#define KEY_A "c3NoLWVkMjU1MTkgQQ=="
#define KEY_B "c3NoLWVkMjU1MTkgQg=="
#define KEY_C "c3NoLWVkMjU1MTkgQw=="
#define A     "ssh-ed25519 " KEY_A
#define B     "ssh-ed25519 " KEY_B
#define C     "ecdsa-sha2-nistp256 " KEY_C

/* HMAC-SHA1 of "h.example" and "[h.example]:2222" */
#define HASHED_H "|1|MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=|ZsqrVVRHC2jM4mCeQ8rzDxXqg0M="
#define HASHED_H_2222                                                          \
    "|1|MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=|dPxnhrLPLMD/e3/fYF1Iy71gPMo="

#define OK        0
#define UNKNOWN   KNOWN_HOSTS_E_UNKNOWN
#define CHANGED   KNOWN_HOSTS_E_CHANGED
#define REVOKED   KNOWN_HOSTS_E_REVOKED
#define AUTHORITY KNOWN_HOSTS_E_AUTHORITY

/* clang-format off */
static const struct {
    const char *text;
    const char *host;
    unsigned port;
    const char *key;
    int verdict;
    unsigned line;
} cases[] = {
    /* plain names */
    {"",                                    "h.example", 22,   KEY_A, UNKNOWN, 0},
    {"h.example " A "\n",                   "h.example", 22,   KEY_A, OK,      1},
    {"h.example " A,                        "h.example", 22,   KEY_A, OK,      1},
    {"h.example " A " a comment\r\n",       "h.example", 22,   KEY_A, OK,      1},
    {"  \th.example\t " A,                  "h.example", 22,   KEY_A, OK,      1},
    {"H.Example " A,                        "h.EXAMPLE", 22,   KEY_A, OK,      1},
    {"h.example " A,                        "i.example", 22,   KEY_A, UNKNOWN, 0},
    {"h.example " A,                        "h.exampl",  22,   KEY_A, UNKNOWN, 0},
    {"h.example " A,                        "h.example.", 22,  KEY_A, UNKNOWN, 0},
    {"h.example " A,                        "h.example", 22,   KEY_B, CHANGED, 1},
    {"h.example " A "\nh.example " B,       "h.example", 22,   KEY_B, OK,      2},
    {"h.example " A "\nh.example " C,       "h.example", 22,   KEY_B, CHANGED, 1},
    /* lines that say nothing */
    {"# h.example " A,                      "h.example", 22,   KEY_A, UNKNOWN, 0},
    {"\n\n   \nh.example " A,               "h.example", 22,   KEY_A, OK,      4},
    {"h.example\nh.example ssh-ed25519\n",  "h.example", 22,   KEY_A, UNKNOWN, 0},
    {"@new h.example " A,                   "h.example", 22,   KEY_A, UNKNOWN, 0},
    /* lists and wildcards */
    {"a,h.example,b " A,                    "h.example", 22,   KEY_A, OK,      1},
    {"a,,h.example " A,                     "h.example", 22,   KEY_A, OK,      1},
    {", " A,                                "",          22,   KEY_A, UNKNOWN, 0},
    {"*.example " A,                        "h.example", 22,   KEY_A, OK,      1},
    {"*.example " A,                        "h.other",   22,   KEY_A, UNKNOWN, 0},
    {"?.example " A,                        "h.example", 22,   KEY_A, OK,      1},
    {"?.example " A,                        "hh.example", 22,  KEY_A, UNKNOWN, 0},
    {"h*e*mple* " A,                        "h.example", 22,   KEY_A, OK,      1},
    {"*a*a*a*a*b " A,                       "aaaaaaaaaaaaaaa", 22, KEY_A, UNKNOWN, 0},
    {"* " A,                                "h.example", 22,   KEY_A, OK,      1},
    /* negation takes the whole line away */
    {"*.example,!h.example " A,             "h.example", 22,   KEY_A, UNKNOWN, 0},
    {"!h.example,*.example " A,             "h.example", 22,   KEY_A, UNKNOWN, 0},
    {"!h.example,*.example " A,             "i.example", 22,   KEY_A, OK,      1},
    {"!h.example " A,                       "i.example", 22,   KEY_A, UNKNOWN, 0},
    {"!*.example,* " A,                     "h.example", 22,   KEY_A, UNKNOWN, 0},
    /* ports */
    {"[h.example]:2222 " A,                 "h.example", 2222, KEY_A, OK,      1},
    {"[h.example]:2222 " A,                 "h.example", 22,   KEY_A, UNKNOWN, 0},
    {"[h.example]:2222 " A,                 "h.example", 222,  KEY_A, UNKNOWN, 0},
    {"[*.example]:2222 " A,                 "h.example", 2222, KEY_A, OK,      1},
    {"h.example " A,                        "h.example", 2222, KEY_A, OK,      1},
    {"h.example " A,                        "h.example", 2222, KEY_B, UNKNOWN, 0},
    {"h.example " A "\n[h.example]:2222 " B, "h.example", 2222, KEY_A, CHANGED, 2},
    {"h.example " A "\n[h.example]:2222 " B, "h.example", 2222, KEY_B, OK,      2},
    {"[::1]:2222 " A,                       "::1",       2222, KEY_A, OK,      1},
    {"::1 " A,                              "::1",       22,   KEY_A, OK,      1},
    /* hashed names */
    {HASHED_H " " A,                        "h.example", 22,   KEY_A, OK,      1},
    {HASHED_H " " A,                        "H.Example", 22,   KEY_A, OK,      1},
    {HASHED_H " " A,                        "h.example", 22,   KEY_B, CHANGED, 1},
    {HASHED_H " " A,                        "i.example", 22,   KEY_A, UNKNOWN, 0},
    {HASHED_H_2222 " " A,                   "h.example", 2222, KEY_A, OK,      1},
    {HASHED_H_2222 " " A,                   "h.example", 22,   KEY_A, UNKNOWN, 0},
    {"|1|x|y " A,                           "h.example", 22,   KEY_A, UNKNOWN, 0},
    {"|1| " A,                              "h.example", 22,   KEY_A, UNKNOWN, 0},
    {"|1||" " " A,                          "h.example", 22,   KEY_A, UNKNOWN, 0},
    {"|2|MQ==|Mg== " A,                     "h.example", 22,   KEY_A, UNKNOWN, 0},
    /* revoked keys are refused whatever else is said, before or after */
    {"@revoked * " A "\nh.example " A,      "h.example", 22,   KEY_A, REVOKED, 1},
    {"h.example " A "\n@revoked * " A,      "h.example", 22,   KEY_A, REVOKED, 2},
    {"h.example " A "\n@revoked * " B,      "h.example", 22,   KEY_A, OK,      1},
    {"h.example " A "\n@revoked i.example " A, "h.example", 22, KEY_A, OK,     1},
    {"@revoked h.example " A,               "h.example", 22,   KEY_B, UNKNOWN, 0},
    {"@revoked * " A "\nh.example " A,      "h.example", 2222, KEY_A, REVOKED, 1},
    {"h.example " A "\n@revoked h.example " A, "h.example", 2222, KEY_A, REVOKED, 2},
    /* authorities vouch for nobody here */
    {"@cert-authority * " A,                "h.example", 22,   KEY_A, AUTHORITY, 1},
    {"@cert-authority * " A "\nh.example " A, "h.example", 22, KEY_A, OK,      2},
    {"@cert-authority * " A "\nh.example " B, "h.example", 22, KEY_A, CHANGED, 2},
};
/* clang-format on */

static struct str decoded(const char *key, struct strbuf *buffer)
{
    assert_int_equal(base64_decode(str_from(key), buffer), 0);
    return strbuf_str(buffer);
}

static void every_line_of_the_table_holds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        AUTO(strbuf_fini) struct strbuf key = STRBUF(64);
        struct known_host host = {str_from(cases[i].host), cases[i].port};
        unsigned line = 99;
        int verdict = known_hosts_check(str_from(cases[i].text), host,
                                        decoded(cases[i].key, &key), &line);

        if (verdict != cases[i].verdict || line != cases[i].line)
            fail_msg("%s:%u in \"%s\": %d in line %u", cases[i].host,
                     cases[i].port, cases[i].text, verdict, line);
    }
}

static void the_known_types_come_in_order_and_once(void **state)
{
    const char *text = "i.example ssh-rsa " KEY_A "\n"
                       "h.example " C "\n"
                       "*.example " A "\n"
                       "h.example " B "\n"
                       "@revoked * ssh-rsa " KEY_A "\n"
                       "@cert-authority * ssh-rsa " KEY_A "\n";
    struct known_hosts_types types;

    (void)state;
    known_hosts_types(str_from(text), (struct known_host){S("h.example"), 22},
                      &types);
    assert_int_equal(types.count, 2);
    assert_true(str_eq(types.names[0], S("ecdsa-sha2-nistp256")));
    assert_true(str_eq(types.names[1], S("ssh-ed25519")));
    /* a host that is known without its port alone */
    known_hosts_types(str_from(text), (struct known_host){S("i.example"), 2222},
                      &types);
    assert_int_equal(types.count, 2);
    assert_true(str_eq(types.names[0], S("ssh-rsa")));
    known_hosts_types(str_from(text), (struct known_host){S("other"), 22},
                      &types);
    assert_int_equal(types.count, 0);
}

static void a_name_without_end_is_unknown(void **state)
{
    AUTO(strbuf_fini) struct strbuf key = STRBUF(64);
    char name[4096];
    unsigned line;

    (void)state;
    memset(name, 'a', sizeof(name));
    assert_int_equal(
        known_hosts_check(S("* " A),
                          (struct known_host){str_of(name, sizeof(name)), 22},
                          decoded(KEY_A, &key), &line),
        KNOWN_HOSTS_E_UNKNOWN);
}

static void no_cut_of_a_file_says_more_than_the_whole(void **state)
{
    AUTO(strbuf_fini) struct strbuf key = STRBUF(64);
    struct str text = S("@revoked * " B "\n" HASHED_H " " A "\n");
    unsigned line;

    (void)state;
    decoded(KEY_A, &key);
    for (size_t len = 0; len < text.len - 1; len++)
        assert_int_not_equal(
            known_hosts_check(str_head(text, len),
                              (struct known_host){S("h.example"), 22},
                              strbuf_str(&key), &line),
            0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_of_the_table_holds),
        cmocka_unit_test(the_known_types_come_in_order_and_once),
        cmocka_unit_test(a_name_without_end_is_unknown),
        cmocka_unit_test(no_cut_of_a_file_says_more_than_the_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
