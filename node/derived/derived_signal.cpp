#include "node/derived/derived_signal.h"

#include <cctype>

#include "node/config/strict_toml.h"
#include "node/derived/expression.h"
#include "node/derived/limits.h"

namespace entente::node {
namespace {

constexpr ErrorCode kCode = ErrorCode::config_invalid;

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c == '\n' || c == '\r' || c == '\t' ? ' ' : c;
  }
  return out + "\"";
}

// As DTDL names a telemetry.
bool is_signal_name(std::string_view name) {
  if (name.empty() || name.size() > 64 || !std::isalpha(static_cast<unsigned char>(name[0]))) {
    return false;
  }
  for (const char c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_') return false;
  }
  return true;
}

DerivedSignal read_one(StrictTable& table) {
  DerivedSignal one;
  one.name = table.text("name");
  one.twin = table.text("twin", std::string());
  one.type = table.text("type", std::string());
  one.value = table.text("value");
  one.unit = table.text("unit");
  one.hold = table.duration("hold", limits::kDerivedHold);
  if (table.failed()) return one;
  if (!is_signal_name(one.name)) table.fail("name", "must be letters, digits and '_'");
  if (one.twin.empty() == one.type.empty()) {
    table.fail("twin", "name either the twin or the type that has the signal");
  }
  if (one.hold.ns <= 0 || one.hold > limits::kDerivedHoldMost) {
    table.fail("hold", "must be longer than 0s and at most " + to_text(limits::kDerivedHoldMost));
  }
  if (auto steps = parse_expression(one.value); !steps) table.fail("value", steps.error().what);
  if (auto unit = derived_unit(one.unit); !unit) table.fail("unit", unit.error().what);
  return one;
}

}  // namespace

Result<MeasureUnit> derived_unit(std::string_view text) {
  auto steps = parse_expression(text);
  if (!steps) return std::move(steps).error();
  const auto refuse = [&](const std::string& why) {
    return make_error(kCode, "'" + std::string(text) + "' is no unit: " + why,
                      "write units of DTDL with * and /, like watt / cubicMetre");
  };
  std::vector<MeasureUnit> stack;
  using Kind = ExpressionStep::Kind;
  for (const ExpressionStep& step : *steps) {
    if (step.kind == Kind::own) {
      auto unit = measure_unit(step.name);
      if (!unit) return refuse(unit.error().what);
      if (unit->scale && steps->size() > 1) {
        return refuse("a temperature scale is in no product; take kelvin");
      }
      stack.push_back(*unit);
    } else if (step.kind == Kind::number && step.value == 1 && step.unit.empty()) {
      stack.emplace_back();
    } else if (step.kind == Kind::multiply || step.kind == Kind::divide) {
      const MeasureUnit right = stack.back();
      stack.pop_back();
      stack.back() =
          step.kind == Kind::multiply ? times(stack.back(), right) : per(stack.back(), right);
    } else {
      return refuse("only units, 1, * and / may stand there");
    }
  }
  return stack.back();
}

Result<std::vector<DerivedSignal>> read_derived(std::string_view text, const std::string& file) {
  if (text.size() > limits::kDerivedText) {
    return make_error(kCode, file + " is longer than a file of derived signals may be");
  }
  auto parsed = parse_toml(text, file, kCode);
  if (!parsed) return std::move(parsed).error();
  StrictTable top(*parsed, file, "", kCode);
  const toml::array* all = top.array("signal");
  if (all == nullptr || all->empty()) top.fail("signal", "there is no [[signal]]");
  if (auto done = top.finish(); !done) return std::move(done).error();
  std::vector<DerivedSignal> signals;
  for (std::size_t i = 0; i < all->size(); ++i) {
    const toml::table* inner = (*all)[i].as_table();
    if (inner == nullptr) {
      top.fail_in("signal", i, "must be a table");
      return std::move(top.finish()).error();
    }
    StrictTable table(*inner, file, "signal", kCode);
    signals.push_back(read_one(table));
    if (auto done = table.finish(); !done) return std::move(done).error();
  }
  return signals;
}

std::string derived_text(const DerivedSignal& signal) {
  std::string out = "[[signal]]\nname = " + in_quotes(signal.name) + "\n";
  out += signal.twin.empty() ? "type = " + in_quotes(signal.type) + "\n"
                             : "twin = " + in_quotes(signal.twin) + "\n";
  out += "value = " + in_quotes(signal.value) + "\nunit = " + in_quotes(signal.unit) + "\n";
  return out + "hold = " + in_quotes(to_text(signal.hold)) + "\n";
}

}  // namespace entente::node
