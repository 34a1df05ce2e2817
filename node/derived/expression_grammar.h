// The grammar of expressions as PEGTL rules. Included by expression.cpp only, so that PEGTL is
// compiled once.
//
// What a token begins is known by its first characters, but for a call, which is a name with a
// parenthesis; actions that matter run only after that is decided. Tokens eat the blanks after
// them.
#pragma once

#include <tao/pegtl.hpp>

namespace entente::node::expression_grammar {

namespace p = tao::pegtl;

// Rule, or a raise with its name at the place where it began.
template <class Rule>
struct expect : p::sor<Rule, p::raise<Rule>> {};

struct blank : p::star<p::one<' ', '\t', '\r', '\n'>> {};
struct letter : p::sor<p::alnum, p::one<'_', '.'>> {};
template <char... C>
struct symbol : p::seq<p::string<C...>, blank> {};

struct open : symbol<'('> {};
struct close : symbol<')'> {};
struct comma : symbol<','> {};

struct name_text : p::seq<p::sor<p::alpha, p::one<'_'>>, p::star<letter>> {};
struct name : p::seq<name_text, blank> {};

struct number_text : p::seq<p::plus<p::digit>, p::opt<p::one<'.'>, p::plus<p::digit>>,
                            p::opt<p::one<'e', 'E'>, p::opt<p::one<'+', '-'>>, p::plus<p::digit>>,
                            p::not_at<letter>> {};
struct unit_text : p::plus<p::alpha> {};
struct unit : p::seq<unit_text, p::not_at<letter>, blank> {};
struct number : p::seq<number_text, blank, p::opt<unit>> {};

struct enter : p::success {};
struct leave : p::success {};
struct sum;

struct call_open : p::seq<name_text, blank, p::one<'('>, blank> {};
struct argument : p::seq<sum> {};
struct call : p::seq<call_open, enter, expect<argument>, p::star<comma, expect<argument>>,
                     expect<close>, leave> {};

struct to_arrow : symbol<'-', '>'> {};
struct from_arrow : symbol<'<', '-'> {};
struct far_name : name {};
struct outgoing : p::seq<to_arrow, expect<far_name>> {};
struct incoming : p::seq<from_arrow, expect<far_name>> {};
struct own : p::success {};
struct first_name : name {};
struct reference : p::seq<first_name, p::sor<outgoing, incoming, own>> {};

struct nested : p::seq<open, enter, expect<sum>, expect<close>, leave> {};
struct factor;
struct minus : p::seq<p::one<'-'>, blank> {};
struct negated : p::seq<minus, enter, expect<factor>, leave> {};
struct factor : p::sor<number, call, reference, nested, negated> {};

struct multiplied : p::seq<symbol<'*'>, expect<factor>> {};
struct divided : p::seq<symbol<'/'>, expect<factor>> {};
struct product : p::seq<factor, p::star<p::sor<multiplied, divided>>> {};
struct added : p::seq<symbol<'+'>, expect<product>> {};
struct subtracted : p::seq<minus, expect<product>> {};
struct sum : p::seq<product, p::star<p::sor<added, subtracted>>> {};

struct end : p::eof {};
struct expression : p::seq<blank, expect<sum>, expect<end>> {};

}  // namespace entente::node::expression_grammar
