// The grammar of questions as PEGTL rules. Included by the parser only, so that PEGTL is
// compiled once.
//
// Every alternative is chosen by its first token (LL(1) but for a call's parenthesis), so an action
// that has run is never undone, parsing takes linear time, and wherever only one thing can follow,
// expect<> raises at the first character of what stands there instead. Tokens eat the blanks after
// them. Recursion is bounded by `enter` (parser.cpp). README.md has the same grammar as EBNF.
#pragma once

#include <tao/pegtl.hpp>

namespace entente::federation::grammar {

namespace p = tao::pegtl;

// Rule, or a raise with its name at the place where it began.
template <class Rule>
struct expect : p::sor<Rule, p::raise<Rule>> {};

struct blank : p::star<p::one<' ', '\t', '\r', '\n'>> {};
struct letter : p::sor<p::alnum, p::one<'_', '.', '-'>> {};
template <class Text>
struct keyword : p::seq<Text, p::not_at<letter>, blank> {};
template <char... C>
struct symbol : p::seq<p::string<C...>, blank> {};

struct k_select : keyword<TAO_PEGTL_ISTRING("select")> {};
struct k_from : keyword<TAO_PEGTL_ISTRING("from")> {};
struct k_twins : keyword<TAO_PEGTL_ISTRING("twins")> {};
struct k_of : keyword<TAO_PEGTL_ISTRING("of")> {};
struct k_where : keyword<TAO_PEGTL_ISTRING("where")> {};
struct k_in : keyword<TAO_PEGTL_ISTRING("in")> {};
struct k_and : keyword<TAO_PEGTL_ISTRING("and")> {};
struct k_or : keyword<TAO_PEGTL_ISTRING("or")> {};
struct k_not : keyword<TAO_PEGTL_ISTRING("not")> {};
struct k_group : keyword<TAO_PEGTL_ISTRING("group")> {};
struct k_by : keyword<TAO_PEGTL_ISTRING("by")> {};
struct k_over : keyword<TAO_PEGTL_ISTRING("over")> {};
struct k_every : keyword<TAO_PEGTL_ISTRING("every")> {};
struct k_with : keyword<TAO_PEGTL_ISTRING("with")> {};
struct reserved : p::sor<k_select, k_from, k_where, k_in, k_and, k_or, k_not, k_group, k_by, k_over,
                         k_every, k_with> {};

struct open : symbol<'('> {};
struct close : symbol<')'> {};
struct comma : symbol<','> {};
struct dots : symbol<'.', '.'> {};
struct equals : symbol<'='> {};
struct differs : symbol<'!', '='> {};

struct name_text : p::seq<p::sor<p::alnum, p::one<'_'>>, p::star<letter>> {};
struct name : p::seq<p::not_at<reserved>, name_text, blank> {};

struct number_text
    : p::seq<p::opt<p::one<'+', '-'>>, p::plus<p::digit>, p::opt<p::one<'.'>, p::plus<p::digit>>,
             p::opt<p::one<'e', 'E'>, p::opt<p::one<'+', '-'>>, p::plus<p::digit>>,
             p::not_at<letter>> {};
struct number : p::seq<number_text, blank> {};
struct integer_text : p::seq<p::plus<p::digit>, p::not_at<letter>> {};

// Two single quotes inside a text are one.
struct text_body
    : p::star<p::sor<p::seq<p::one<'\''>, p::one<'\''>>,
                     p::seq<p::not_at<p::one<'\'', '\t', '\r', '\n'>>, p::utf8::any>>> {};
struct closing_quote : p::one<'\''> {};
struct text : p::seq<p::one<'\''>, text_body, expect<closing_quote>, blank> {};

struct span_text : p::seq<p::plus<p::digit>, p::plus<p::alpha>, p::not_at<letter>> {};
struct span : p::seq<span_text, blank> {};

// Conditions: NOT binds tighter than AND, AND tighter than OR.
struct enter : p::success {};
struct leave : p::success {};
template <class Leaf>
struct mark : p::success {};
template <class Leaf>
struct disjunction;
template <class Leaf>
struct operand;
template <class Leaf>
struct nested : p::seq<open, enter, expect<disjunction<Leaf>>, expect<close>, leave> {};
template <class Leaf>
struct negated : p::seq<k_not, enter, expect<operand<Leaf>>, leave> {};
template <class Leaf>
struct operand : p::sor<nested<Leaf>, negated<Leaf>, Leaf> {};
template <class Leaf>
struct conjunction : p::seq<mark<Leaf>, operand<Leaf>, p::star<k_and, expect<operand<Leaf>>>> {};
template <class Leaf>
struct disjunction
    : p::seq<mark<Leaf>, conjunction<Leaf>, p::star<k_or, expect<conjunction<Leaf>>>> {};

struct comparison_text : p::sor<p::string<'<', '='>, p::string<'>', '='>, p::string<'!', '='>,
                                p::one<'<'>, p::one<'>'>, p::one<'='>> {};
struct comparison : p::seq<comparison_text, blank> {};

// e: signal | reducer(signal) | duration(condition over the readings of one signal)
struct reading_test : p::seq<name, expect<comparison>, expect<number>> {};
struct k_duration : p::seq<keyword<TAO_PEGTL_ISTRING("duration")>, open> {};
struct duration_fold : p::seq<k_duration, expect<disjunction<reading_test>>, expect<close>> {};
struct reducer_open : p::seq<name, open> {};
struct signal : name {};
struct reducer_fold : p::seq<reducer_open, expect<signal>, expect<close>> {};
struct bare_fold : name {};
struct folded : p::sor<duration_fold, reducer_fold, bare_fold> {};
struct value_test : p::seq<folded, expect<comparison>, expect<number>> {};

// Items.
struct k_count : keyword<TAO_PEGTL_ISTRING("count")> {};
struct k_share : keyword<TAO_PEGTL_ISTRING("share")> {};
struct k_quantile : keyword<TAO_PEGTL_ISTRING("quantile")> {};
struct k_histogram : keyword<TAO_PEGTL_ISTRING("histogram")> {};
struct plain_text
    : p::sor<TAO_PEGTL_ISTRING("sum"), TAO_PEGTL_ISTRING("mean"), TAO_PEGTL_ISTRING("variance"),
             TAO_PEGTL_ISTRING("stddev"), TAO_PEGTL_ISTRING("min"), TAO_PEGTL_ISTRING("max"),
             TAO_PEGTL_ISTRING("median")> {};
struct k_plain : p::seq<plain_text, p::not_at<letter>, blank> {};
struct all_members : symbol<'*'> {};
struct value_condition : disjunction<value_test> {};
struct count_argument : p::sor<all_members, value_condition> {};
struct quantile_rank : number {};
struct edge : number {};
struct edges_open : symbol<'['> {};
struct edges_close : symbol<']'> {};
struct edges : p::seq<edges_open, expect<edge>, p::star<comma, expect<edge>>, expect<edges_close>> {
};
struct bin_count : p::seq<integer_text, blank> {};
struct bins : p::sor<edges, bin_count> {};
struct count_item : p::seq<k_count, expect<open>, expect<count_argument>, expect<close>> {};
struct share_item : p::seq<k_share, expect<open>, expect<value_condition>, expect<close>> {};
struct quantile_item : p::seq<k_quantile, expect<open>, expect<folded>, expect<comma>,
                              expect<quantile_rank>, expect<close>> {};
struct histogram_item : p::seq<k_histogram, expect<open>, expect<folded>, expect<comma>,
                               expect<bins>, expect<close>> {};
struct plain_item : p::seq<k_plain, expect<open>, expect<folded>, expect<close>> {};
struct item : p::sor<count_item, share_item, quantile_item, histogram_item, plain_item> {};
struct items : p::seq<expect<item>, p::star<comma, expect<item>>> {};

// Clauses.
struct dtmi : text {};
struct type_target : p::seq<k_twins, k_of, expect<dtmi>> {};
struct target_name : name {};
struct organisation : name {};
struct named_target : p::seq<target_name, p::opt<symbol<'@'>, expect<organisation>>> {};
struct target : p::sor<type_target, named_target> {};

struct key : name {};
struct key_value : text {};
struct equals_value : p::seq<equals, expect<key_value>> {};
struct differs_value : p::seq<differs, expect<key_value>> {};
struct value_list
    : p::seq<expect<open>, expect<key_value>, p::star<comma, expect<key_value>>, expect<close>> {};
struct in_values : p::seq<k_in, value_list> {};
struct key_condition : p::sor<equals_value, differs_value, in_values> {};
struct key_test : p::seq<key, expect<key_condition>> {};
struct where_clause : p::seq<k_where, expect<disjunction<key_test>>> {};

struct group_key : name {};
struct group_clause
    : p::seq<k_group, expect<k_by>, expect<group_key>, p::star<comma, expect<group_key>>> {};

struct from_instant : text {};
struct to_instant : text {};
struct relative_window : span {};
struct absolute_window : p::seq<from_instant, expect<dots>, expect<to_instant>> {};
struct window : p::sor<relative_window, absolute_window> {};
struct every_length : span {};
struct every_clause : p::seq<k_every, expect<every_length>> {};

struct epsilon_value : number {};
struct purpose_value : text {};
struct mode_value : text {};
struct k_epsilon : keyword<TAO_PEGTL_ISTRING("epsilon")> {};
struct k_purpose : keyword<TAO_PEGTL_ISTRING("purpose")> {};
struct k_mode : keyword<TAO_PEGTL_ISTRING("mode")> {};
struct epsilon_option : p::seq<k_epsilon, expect<equals>, expect<epsilon_value>> {};
struct purpose_option : p::seq<k_purpose, expect<equals>, expect<purpose_value>> {};
struct mode_option : p::seq<k_mode, expect<equals>, expect<mode_value>> {};
struct option : p::sor<epsilon_option, purpose_option, mode_option> {};
struct with_clause
    : p::seq<k_with, expect<open>, expect<option>, p::star<comma, expect<option>>, expect<close>> {
};

struct end : p::eof {};
struct sentence : p::seq<blank, expect<k_select>, items, expect<k_from>, expect<target>,
                         p::opt<where_clause>, p::opt<group_clause>, expect<k_over>, expect<window>,
                         p::opt<every_clause>, p::opt<with_clause>, expect<end>> {};

// What a question may be made of at all, checked before it is read.
struct clean_character
    : p::sor<p::one<'\t', '\r', '\n'>, p::utf8::range<0x20, 0x7E>, p::utf8::range<0xA0, 0x10FFFF>> {
};

}  // namespace entente::federation::grammar
