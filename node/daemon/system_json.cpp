#include "node/daemon/system_json.h"

#include <boost/json.hpp>

#include <algorithm>

#include "node/daemon/answer_json.h"
#include "node/daemon/coverage_json.h"

namespace entente::node {

namespace json = boost::json;
using namespace federation;

namespace {

json::value parsed(const std::string& text) {
  boost::system::error_code wrong;
  json::value value = json::parse(text, wrong);
  return wrong ? json::value(json::array{}) : value;
}

json::object property_json(const SystemProperty& property) {
  json::object out{
      {"name", property.name}, {"item", property.item}, {"over", to_text(property.over)}};
  out["every"] = property.every ? json::value(to_text(*property.every)) : nullptr;
  out["declared_unit"] = property.unit;
  out["bounds"] = property.lower && property.upper
                      ? json::value(json::array{*property.lower, *property.upper})
                      : json::value(nullptr);
  out["keep"] = property.kept;
  out["epsilon"] = property.epsilon ? json::value(*property.epsilon) : json::value(nullptr);
  out["purpose"] = property.purpose;
  out["since"] = property.since ? json::value(to_text(*property.since)) : json::value(nullptr);
  out["until"] = property.until ? json::value(to_text(*property.until)) : json::value(nullptr);
  return out;
}

json::object cell_json(const ReleasedValue& value) {
  json::object cell{{"from", to_text(value.window().from)}, {"to", to_text(value.window().to)}};
  if (value.estimate()) {
    for (auto& field : estimate_json(*value.estimate())) cell[field.key()] = field.value();
  }
  json::array bins;
  for (const Estimate& bin : value.bins()) bins.push_back(estimate_json(bin));
  if (!bins.empty()) cell["bins"] = std::move(bins);
  return cell;
}

// What the members charged for a window in all, and the most that one of them did.
void add_charges(json::object& row) {
  double most = 0;
  std::string words;
  for (const json::value& member : row.at("coverage").as_array()) {
    const json::object* one = member.if_object();
    if (one == nullptr) continue;
    const json::value* charged = one->if_contains("charged");
    const json::value* before = one->if_contains("charged_before");
    double epsilon = before != nullptr && before->is_number() ? before->to_number<double>() : 0;
    if (charged != nullptr && charged->is_object()) {
      const json::value* now = charged->get_object().if_contains("epsilon");
      if (now != nullptr && now->is_number()) epsilon += now->to_number<double>();
    }
    most = std::max(most, epsilon);
  }
  row["charged_most_epsilon"] = most;
}

// The outcome of one member in the newest row that knows of it.
json::value last_of(const std::vector<SystemRow>& latest, const std::string& organisation,
                    const std::string& export_name) {
  const SystemRow* newest = nullptr;
  json::value found;
  for (const SystemRow& row : latest) {
    if (newest != nullptr && newest->released >= row.released) continue;
    const json::value coverage = parsed(row.coverage);
    for (const json::value& one : coverage.as_array()) {
      const json::object* entry = one.if_object();
      if (entry == nullptr) continue;
      const auto is = [&](const char* name, const std::string& wanted) {
        const json::value* value = entry->if_contains(name);
        return value != nullptr && value->is_string() && value->get_string() == wanted;
      };
      const bool named = export_name.empty() || is("export", export_name);
      if (!is("organisation", organisation) || !named) continue;
      newest = &row;
      found = one;
    }
  }
  if (newest == nullptr) return nullptr;
  json::object out{{"at", shown_time(newest->released)}};
  for (const char* name : {"state", "code", "reason"}) {
    if (const json::value* value = found.as_object().if_contains(name)) out[name] = *value;
  }
  return out;
}

// The sites that a partner's system twin reaches, as its description says them.
void add_leaves(json::array& nodes, const ExportView& view, const SystemMember& member,
                const std::vector<SystemRow>& latest) {
  if (!view.composite) return;
  for (const CompositeTerms::Leaf& leaf : view.composite->leaves) {
    const std::string name = member.organisation + "/" + leaf.name;
    nodes.push_back({{"depth", 2},
                     {"name", name},
                     {"kind", "leaf"},
                     {"organisation", leaf.name},
                     {"site", leaf.site},
                     {"domain", leaf.domain},
                     {"agreement", nullptr},
                     {"state", ""},
                     {"last", last_of(latest, name, "")}});
  }
}

}  // namespace

json::object system_json(const DeclaredSystem& declared,
                         const std::shared_ptr<const SiteSnapshot>& site) {
  const SystemTwin& system = declared.twin;
  json::array members, properties;
  for (const SystemMember& member : system.members) {
    const auto target = find_target(site, member.export_name, member.organisation);
    json::object one{{"name", to_text(member)}, {"state", target ? "ready" : "not ready"}};
    if (!target) one["reason"] = target.error().what;
    members.push_back(std::move(one));
  }
  for (const SystemProperty& property : system.properties) {
    properties.push_back(property_json(property));
  }
  return {{"name", system.name},
          {"title", system.title},
          {"needs", to_text(system.needs)},
          {"version", declared.version.version},
          {"declared", shown_time(declared.version.declared)},
          {"source", declared.version.source},
          {"members", std::move(members)},
          {"properties", std::move(properties)}};
}

json::object value_json(const SystemRow& row, Instant now) {
  json::object out{{"id", row.id},
                   {"system", row.system},
                   {"property", row.property},
                   {"from", to_text(row.window.from)},
                   {"to", to_text(row.window.to)},
                   {"value", nullptr},
                   {"standard_error", nullptr},
                   {"lower", nullptr},
                   {"upper", nullptr},
                   {"unit", row.unit},
                   {"answered", row.answered},
                   {"members", row.members},
                   {"revision", row.revision},
                   {"version", row.version},
                   {"released", shown_time(row.released)},
                   {"age_s", (now - row.window.to).seconds()},
                   {"reason", row.reason}};
  json::array cells;
  for (const ReleasedValue& value : row.values) cells.push_back(cell_json(value));
  if (cells.size() == 1) {
    for (const auto& field : cells.front().as_object()) {
      if (field.key() != "from" && field.key() != "to") out[field.key()] = field.value();
    }
  }
  out["cells"] = std::move(cells);
  const json::value coverage = parsed(row.coverage);
  out["coverage"] = coverage.is_array() ? coverage : json::value(json::array{});
  add_charges(out);
  return out;
}

json::object page_json(const SystemPage& page) {
  json::object out = system_json(page.declared, page.site);
  for (json::value& property : out.at("properties").as_array()) {
    json::object& one = property.as_object();
    const std::string name(one.at("name").as_string());
    const auto row = std::find_if(page.latest.begin(), page.latest.end(),
                                  [&](const SystemRow& kept) { return kept.property == name; });
    const bool has_row = row != page.latest.end();
    if (has_row) {
      for (auto& field : value_json(*row, page.now)) {
        if (field.key() != "system" && field.key() != "property") one[field.key()] = field.value();
      }
    }
    const auto outlook = page.outlooks.find(name);
    const bool known = outlook != page.outlooks.end();
    one["next_due"] = known && outlook->second.due ? json::value(shown_time(*outlook->second.due))
                                                   : json::value(nullptr);
    one["problem"] = known ? outlook->second.problem : std::string();
    const bool kept = one.at("keep").as_bool();
    one["state"] = has_row && row->reason.empty() ? row->whole() ? "whole" : "partial"
                   : has_row                      ? "missing"
                   : kept                         ? "waiting"
                                                  : "not kept";
  }
  return out;
}

json::array tree_json(const SystemPage& page) {
  json::array nodes;
  nodes.push_back({{"depth", 0},
                   {"name", page.declared.twin.name},
                   {"kind", "system"},
                   {"organisation", page.site->self_name},
                   {"site", page.site->site},
                   {"domain", nullptr},
                   {"agreement", nullptr},
                   {"state", "declared"},
                   {"last", nullptr}});
  for (const SystemMember& member : page.declared.twin.members) {
    const auto target = find_target(page.site, member.export_name, member.organisation);
    json::object node{{"depth", 1},
                      {"name", to_text(member)},
                      {"kind", "export"},
                      {"organisation", member.organisation}};
    node["site"] = target ? json::value(target->view->site) : json::value(nullptr);
    node["domain"] = target ? json::value(target->view->domain) : json::value(nullptr);
    node["agreement"] = target ? json::value(target->agreement->name) : json::value(nullptr);
    node["state"] = target ? "ready" : "not ready";
    if (!target) node["reason"] = target.error().what;
    node["last"] = last_of(page.latest, member.organisation, member.export_name);
    if (target && target->view->composite) node["kind"] = "system";
    nodes.push_back(std::move(node));
    if (target) add_leaves(nodes, *target->view, member, page.latest);
  }
  return nodes;
}

json::object version_json(const SystemVersion& version) {
  return {{"version", version.version},
          {"declared", shown_time(version.declared)},
          {"source", version.source},
          {"actor", version.actor},
          {"state", version.text.empty() ? "removed" : "declared"},
          {"text", version.text}};
}

json::array findings_json(const std::vector<SystemFinding>& findings) {
  json::array all;
  for (const SystemFinding& finding : findings) {
    all.push_back({{"member", finding.member},
                   {"property", finding.property},
                   {"code", code_text(finding.error.code)},
                   {"what", finding.error.what},
                   {"remedy", finding.error.remedy}});
  }
  return all;
}

}  // namespace entente::node
