/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "agent/classify/message.h"
#include "agent/classify/rules.h"
#include "agent/classify/wrappers.h"
#include "util.h"

/* The table as a whole. Its phrases are tested in test_rules_*.c and tests/corpus/. */

static void each_rule(void (*visit)(const struct rule_table *table, size_t row))
{
    for (size_t t = 0; t < n_rule_tables; t++)
        for (size_t i = 0; i < rule_tables[t]->n; i++)
            visit(rule_tables[t], i);
}

static void is_named_once(const struct rule_table *table, size_t row)
{
    const char *name = table->rows[row].name;
    size_t found = 0;

    for (size_t t = 0; t < n_rule_tables; t++)
        for (size_t i = 0; i < rule_tables[t]->n; i++)
            found += strcmp(rule_tables[t]->rows[i].name, name) == 0;
    if (found != 1)
        fail_msg("%zu rules are called %s", found, name);
    assert_true(table->rows[row].reason < REASON_UNCLASSIFIED ||
                table->rows[row].reason == REASON_NOT_A_PULL);
}

static void rule_names_are_unique(void **state)
{
    (void)state;
    each_rule(is_named_once);
}

/* A row after one with the same phrase and without needs would never match. */
static void is_not_hidden(const struct rule_table *table, size_t row)
{
    const struct rule *rules = table->rows;

    if (row > 0 && strcmp(rules[row].phrase, rules[row - 1].phrase) == 0 &&
        rules[row - 1].needs == 0)
        fail_msg("%s is never reached", rules[row].name);
}

static void no_rule_hides_another(void **state)
{
    (void)state;
    each_rule(is_not_hidden);
}

/* Without a reason of the kubelet, general words are not believed. */
static struct verdict judge(const char *text)
{
    static struct message message;

    normalise(STR("ErrImagePull"), str_from(text), &message);
    return classify(&message);
}

static void explains_its_own_words(const struct rule_table *table, size_t row)
{
    const struct rule *rule = &table->rows[row];
    char text[256];
    char *to = text;

    if (rule->needs != 0)
        return;
    for (const char *at = rule->phrase; *at; at++) {
        const char *sample = *at == '*'   ? "q"
                             : *at == '~' ? "w"
                             : *at == '@' ? "\"https://registry.example.com/v2/\":"
                             : *at == '$' ? "\"runtime.v1.Q\""
                                          : NULL;

        to += sample ? sprintf(to, "%s", sample) : sprintf(to, "%c", *at);
    }
    if (reason_cause(judge(text).reason) != reason_cause(rule->reason))
        fail_msg("%s: its own words are taken for %s", rule->name, judge(text).rule);
}

/* ... or a rule with a longer phrase and the same cause. */
static void every_rule_can_be_reached(void **state)
{
    (void)state;
    each_rule(explains_its_own_words);
}

static void a_row_is_found_by_its_number(void **state)
{
    (void)state;
    for (size_t t = 0; t < n_rule_tables; t++) {
        assert_true(rule_tables[t]->n <= RULE_TABLE_ROWS);
        for (size_t i = 0; i < rule_tables[t]->n; i++)
            assert_ptr_equal(rule_at(rule_number(t, i)), &rule_tables[t]->rows[i]);
    }
}

static uint16_t number_of(const char *name)
{
    for (size_t t = 0; t < n_rule_tables; t++)
        for (size_t i = 0; i < rule_tables[t]->n; i++)
            if (strcmp(rule_tables[t]->rows[i].name, name) == 0)
                return rule_number(t, i);
    fail_msg("no rule is called %s", name);
    return 0;
}

static void the_first_row_of_a_phrase_whose_needs_are_met_wins(void **state)
{
    uint16_t refused = number_of("refused-socket");
    uint16_t needy = number_of("invalid-argument-unpack");

    (void)state;
    assert_string_equal(rule_for(refused, 0)->name, "refused");
    assert_string_equal(rule_for(refused, W_LOOKUP)->name, "refused-dns");
    assert_string_equal(rule_for(refused, W_PROXY | W_LOOKUP)->name, "refused-proxy");
    assert_string_equal(rule_for(refused, W_SOCKET | W_PROXY)->name, "refused-socket");
    assert_non_null(rule_for(needy, W_UNPACK));
    assert_null(rule_for(needy, W_BLOB));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_names_are_unique),
        cmocka_unit_test(no_rule_hides_another),
        cmocka_unit_test(every_rule_can_be_reached),
        cmocka_unit_test(a_row_is_found_by_its_number),
        cmocka_unit_test(the_first_row_of_a_phrase_whose_needs_are_met_wins),
    };

    return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
