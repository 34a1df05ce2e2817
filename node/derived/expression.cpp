#include "node/derived/expression.h"

#include <charconv>
#include <cmath>

#include "node/derived/expression_grammar.h"
#include "node/derived/limits.h"
#include "schemas/base/check.h"

namespace entente::node {
namespace {

namespace g = expression_grammar;
namespace p = tao::pegtl;

using Step = ExpressionStep;
using Kind = ExpressionStep::Kind;

// Leaves PEGTL from inside an action or a raise.
struct Failure {
  std::size_t offset = 0;
  std::string what;
};

struct Call {
  Kind kind = Kind::sum;
  std::size_t arguments = 0;
};

struct Builder {
  const char* begin = nullptr;
  std::vector<Step> steps;
  std::vector<Call> calls;  // those that are open, the innermost last
  std::string name;         // the latest
  std::string first;        // of a reference
  int depth = 0;

  void push(Kind kind, std::size_t arity = 0) {
    Step& step = steps.emplace_back();
    step.kind = kind;
    step.arity = arity;
  }
};

template <class Input>
std::size_t offset_of(const Input& in, const Builder& builder) {
  return static_cast<std::size_t>(in.begin() - builder.begin);
}

struct Function {
  std::string_view name;
  Kind kind;
};
constexpr Function kFunctions[] = {{"abs", Kind::absolute}, {"sum", Kind::sum},
                                   {"mean", Kind::mean},    {"min", Kind::minimum},
                                   {"max", Kind::maximum},  {"count", Kind::count}};

template <class Rule>
struct action : p::nothing<Rule> {};

template <>
struct action<g::name_text> {
  template <class Input>
  static void apply(const Input& in, Builder& b) {
    b.name = in.string();
  }
};
template <>
struct action<g::first_name> {
  static void apply0(Builder& b) { b.first = b.name; }
};
template <>
struct action<g::number_text> {
  template <class Input>
  static void apply(const Input& in, Builder& b) {
    double value = 0;
    const auto read = std::from_chars(in.begin(), in.end(), value);
    if (read.ec != std::errc() || !std::isfinite(value)) {
      throw Failure{offset_of(in, b), "this number cannot be held"};
    }
    b.push(Kind::number);
    b.steps.back().value = value;
  }
};
template <>
struct action<g::unit_text> {
  template <class Input>
  static void apply(const Input& in, Builder& b) {
    b.steps.back().unit = in.string();
  }
};
template <>
struct action<g::call_open> {
  template <class Input>
  static void apply(const Input& in, Builder& b) {
    for (const Function& function : kFunctions) {
      if (function.name == b.name) return b.calls.push_back({function.kind, 0});
    }
    throw Failure{offset_of(in, b), "there is no function '" + b.name +
                                        "'; the functions are abs, sum, mean, min, max and count"};
  }
};
template <>
struct action<g::argument> {
  static void apply0(Builder& b) { ++b.calls.back().arguments; }
};
template <>
struct action<g::call> {
  template <class Input>
  static void apply(const Input& in, Builder& b) {
    const Call call = b.calls.back();
    b.calls.pop_back();
    if (call.kind == Kind::absolute && call.arguments != 1) {
      throw Failure{offset_of(in, b), "abs takes one argument"};
    }
    b.push(call.kind, call.arguments);
  }
};
template <>
struct action<g::own> {
  static void apply0(Builder& b) {
    b.push(Kind::own);
    b.steps.back().name = b.first;
  }
};

void push_far(Builder& b, Kind kind) {
  b.push(kind);
  b.steps.back().relationship = b.first;
  b.steps.back().name = b.name;
}
template <>
struct action<g::outgoing> {
  static void apply0(Builder& b) { push_far(b, Kind::outgoing); }
};
template <>
struct action<g::incoming> {
  static void apply0(Builder& b) { push_far(b, Kind::incoming); }
};
template <>
struct action<g::negated> {
  static void apply0(Builder& b) { b.push(Kind::negate); }
};
template <>
struct action<g::multiplied> {
  static void apply0(Builder& b) { b.push(Kind::multiply); }
};
template <>
struct action<g::divided> {
  static void apply0(Builder& b) { b.push(Kind::divide); }
};
template <>
struct action<g::added> {
  static void apply0(Builder& b) { b.push(Kind::add); }
};
template <>
struct action<g::subtracted> {
  static void apply0(Builder& b) { b.push(Kind::subtract); }
};
template <>
struct action<g::enter> {
  template <class Input>
  static void apply(const Input& in, Builder& b) {
    if (++b.depth > limits::kExpressionDepth) {
      throw Failure{offset_of(in, b), "expressions nest at most " +
                                          std::to_string(limits::kExpressionDepth) + " deep"};
    }
  }
};
template <>
struct action<g::leave> {
  static void apply0(Builder& b) { --b.depth; }
};

template <class Rule>
constexpr const char* kExpected = "a signal, a number, a call or '('";
template <>
constexpr const char* kExpected<g::far_name> = "the name of a neighbour's signal";
template <>
constexpr const char* kExpected<g::close> = "')'";
template <>
constexpr const char* kExpected<g::end> = "an operator or the end";

template <class Rule>
struct control : p::normal<Rule> {
  template <class Input, class... States>
  [[noreturn]] static void raise(const Input& in, States&&... states) {
    const Builder& builder = (states, ...);
    throw Failure{static_cast<std::size_t>(in.current() - builder.begin),
                  std::string("expected ") + kExpected<Rule>};
  }
};

bool clean(std::string_view text) {
  for (const char c : text) {
    if ((c < ' ' || c > '~') && c != '\n' && c != '\t' && c != '\r') return false;
  }
  return true;
}

Error refused(std::string_view text, const Failure& failure) {
  std::string line(text);
  for (char& c : line) {
    if (c < ' ') c = ' ';
  }
  return make_error(ErrorCode::config_invalid, "character " + std::to_string(failure.offset + 1) +
                                                   ": " + failure.what + "\n  " + line + "\n  " +
                                                   std::string(failure.offset, ' ') + "^");
}

}  // namespace

Result<std::vector<ExpressionStep>> parse_expression(std::string_view text) {
  if (text.size() > limits::kExpressionBytes) {
    return make_error(
        ErrorCode::config_invalid,
        "the expression is longer than " + std::to_string(limits::kExpressionBytes) + " bytes",
        "give parts of it names of their own");
  }
  if (!clean(text)) {
    return make_error(ErrorCode::config_invalid, "the expression is not plain ASCII text");
  }
  Builder builder;
  builder.begin = text.data();
  p::memory_input<p::tracking_mode::lazy> in(text.data(), text.data() + text.size(), "expression");
  try {
    // The last rule expects the end, so a parse that returns at all has succeeded.
    ENTENTE_CHECK((p::parse<g::expression, action, control>(in, builder)));
  } catch (const Failure& failure) {
    return refused(text, failure);
  }
  return std::move(builder.steps);
}

}  // namespace entente::node
