#include "node/modelling/definition.h"

#include <algorithm>
#include <charconv>

#include "node/config/strict_toml.h"
#include "node/modelling/limits.h"
#include "schemas/base/ids.h"

namespace entente::node {
namespace {

constexpr ErrorCode kCode = ErrorCode::config_invalid;
constexpr RefitPolicy kPolicies[] = {RefitPolicy::propose, RefitPolicy::apply, RefitPolicy::never};

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string list_text(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ", ") + in_quotes(text);
  return "[" + out + "]";
}

std::string number_text(double value) {
  char text[40];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return {text, end};
}

std::string numbers_text(const std::vector<double>& numbers) {
  if (numbers.size() == 1) return number_text(numbers.front());
  std::string out;
  for (const double number : numbers) out += (out.empty() ? "" : ", ") + number_text(number);
  return "[" + out + "]";
}

void read_parameters(StrictTable& model, ModelSpec& spec) {
  const toml::table* given = model.table("parameters");
  if (given == nullptr) return;
  StrictTable table(*given, model.file(), model.path() + ".parameters", kCode);
  for (const auto& [key, node] : *given) {
    const std::string name(key.str());
    std::vector<double>& numbers = spec.parameters[name];
    if (!node.is_array()) {
      numbers.push_back(table.number(name));
      continue;
    }
    for (const toml::node& one : *table.array(name)) {
      const auto value = one.value<double>();
      if (!value || !one.is_number()) table.fail(name, "must be a number or a list of numbers");
      numbers.push_back(value.value_or(0));
    }
  }
  if (auto done = table.finish(); !done) model.adopt(done.error());
}

void check_kind(StrictTable& table, const ModelSpec& spec, const ModelKinds& kinds) {
  if (table.failed()) return;
  std::string names;
  for (const ModelKind& kind : kinds.all()) {
    names += (names.empty() ? "" : ", ") + std::string(kind.name);
    if (kind.name != spec.kind) continue;
    if (auto made = kinds.make(spec); !made) {
      table.fail("parameters", made.error().what + " (" + std::string(made.error().advice()) + ")");
    }
    return;
  }
  table.fail("kind", "there is no kind '" + spec.kind + "'; known are: " + names);
}

void read_policy(StrictTable& table, ModelDefinition& definition) {
  const std::string word = table.text("refit", std::string("propose"));
  for (const RefitPolicy policy : kPolicies) {
    if (to_text(policy) != word) continue;
    definition.refit = policy;
    return;
  }
  table.fail("refit", "must be propose, apply or never");
}

ModelDefinition read_model(StrictTable& table, const ModelKinds& kinds) {
  ModelDefinition definition;
  ModelSpec& spec = definition.spec;
  definition.twin = table.text("twin");
  definition.name = table.text("name");
  spec.kind = table.text("kind");
  spec.signals = table.texts("signals");
  spec.inputs = table.texts("inputs");
  spec.step = table.duration("step", Duration{});
  definition.from = table.instant("from").value_or(Instant{});
  definition.late = table.duration("late", usual_lateness(spec.step));
  definition.identified = table.text("identified", std::string());
  read_policy(table, definition);
  read_parameters(table, spec);
  if (!table.failed() && !is_local_id(definition.name)) {
    table.fail("name", "must be lower case letters, digits, '.', '_' and '-'");
  }
  if (!table.failed() && (definition.late.ns < 0 || definition.late > limits::kModelLateMost)) {
    table.fail("late", "must be from 0s to " + to_text(limits::kModelLateMost));
  }
  if (!table.failed() && spec.step.ns < 0) table.fail("step", "must not be negative");
  check_kind(table, spec, kinds);
  return definition;
}

}  // namespace

std::string_view to_text(RefitPolicy policy) {
  constexpr std::string_view kWords[] = {"propose", "apply", "never"};
  return kWords[static_cast<std::size_t>(policy)];
}

Duration usual_lateness(Duration step) {
  return step.ns == 0 ? hours(1) : std::min(step * 24, limits::kModelLateMost);
}

Instant floor_to(Instant time, Duration step) {
  const std::int64_t rest = time.ns % step.ns;
  return {time.ns - (rest < 0 ? rest + step.ns : rest)};
}

Result<ModelDefinition> read_definition(std::string_view text, const std::string& file,
                                        const ModelKinds& kinds) {
  auto parsed = parse_toml(text, file, kCode);
  if (!parsed) return std::move(parsed).error();
  StrictTable top(*parsed, file, "", kCode);
  const toml::table* inner = top.table("model");
  if (inner == nullptr) top.fail("model", "the table [model] is missing");
  if (auto done = top.finish(); !done) return std::move(done).error();
  StrictTable table(*inner, file, "model", kCode);
  ModelDefinition definition = read_model(table, kinds);
  if (auto done = table.finish(); !done) return std::move(done).error();
  return definition;
}

std::string definition_text(const ModelDefinition& definition) {
  const ModelSpec& spec = definition.spec;
  const auto duration = [](Duration value) {
    return in_quotes(value.ns == 0 ? "0s" : to_text(value));
  };
  std::string out = "[model]\n";
  const auto line = [&](std::string_view key, const std::string& value) {
    out.append(key).append(" = ").append(value).append("\n");
  };
  line("twin", in_quotes(definition.twin));
  line("name", in_quotes(definition.name));
  line("kind", in_quotes(spec.kind));
  line("signals", list_text(spec.signals));
  line("inputs", list_text(spec.inputs));
  line("step", duration(spec.step));
  line("from", in_quotes(to_text(definition.from)));
  line("late", duration(definition.late));
  if (!definition.identified.empty()) line("identified", in_quotes(definition.identified));
  if (definition.refit != RefitPolicy::propose) {
    line("refit", in_quotes(to_text(definition.refit)));
  }
  if (spec.parameters.empty()) return out;
  out += "\n[model.parameters]\n";
  for (const auto& [name, numbers] : spec.parameters) line(name, numbers_text(numbers));
  return out;
}

}  // namespace entente::node
