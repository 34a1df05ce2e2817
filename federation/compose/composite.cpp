#include "federation/compose/composite.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "federation/query/parser.h"
#include "schemas/base/limits.h"

namespace entente::federation {
namespace {

constexpr std::string_view kMixedType = "dtmi:entente:system;1";

class Composer {
 public:
  Composer(const SystemTwin& system, const OrgId& self, std::vector<CompositeMember> members)
      : system_(system), self_(self) {
    out_.members = std::move(members);
    out_.needs = system.needs;
  }

  Result<Composite> compose(const std::string& site) {
    if (out_.members.empty()) return fail("has no member that could be asked");
    ExportView& view = out_.view;
    view.name = system_.name;
    view.site = site;
    view.domain = "system." + system_.name;
    if (!is_local_id(view.domain)) return fail("has too long a name to be offered to partners");
    for (auto step : {&Composer::times, &Composer::measures, &Composer::cells, &Composer::terms}) {
      if (auto done = (this->*step)(); !done) return std::move(done).error();
    }
    // What partners could not read must not be offered: names that are too long, cells twice.
    if (auto readable = export_view_from_bytes(canonical_bytes(view)); !readable) {
      return fail("cannot be described to partners: " + readable.error().what,
                  "give members shorter names, or compose one export of each organisation");
    }
    return std::move(out_);
  }

 private:
  Error fail(const std::string& what, std::string remedy = {}) const {
    return make_error(ErrorCode::config_invalid, "system." + system_.name + ": it " + what,
                      std::move(remedy));
  }
  static std::string name_of(const CompositeMember& member) {
    return "'" + member.view.name + "@" + member.alias + "'";
  }
  Error differ(const CompositeMember& member, std::string_view what, const std::string& theirs,
               const std::string& first) const {
    return fail("cannot be offered to partners: " + name_of(member) + " has the " +
                    std::string(what) + " '" + theirs + "', " + name_of(out_.members.front()) +
                    " '" + first + "'",
                "compose members that agree on it, or do not offer the system twin");
  }

  Outcome times() {
    ExportView& view = out_.view;
    const ExportView& first = out_.members.front().view;
    view.zone = first.zone;
    view.unit = first.unit;
    view.type = first.type;
    view.block = first.block;
    view.tick = first.tick;
    view.delta = first.delta;
    view.rho_cap = out_.members.front().quota;
    for (const CompositeMember& member : out_.members) {
      const ExportView& one = member.view;
      if (one.zone != view.zone) return differ(member, "zone", one.zone, view.zone);
      if (one.unit != view.unit) return differ(member, "unit", one.unit, view.unit);
      if (one.type != view.type) view.type = kMixedType;
      view.block =
          one.block.ns == 0 || view.block.ns == 0 ? Duration{} : std::max(view.block, one.block);
      const Duration longer = std::max(view.tick, one.tick);
      if (longer.ns % std::min(view.tick, one.tick).ns != 0) {
        return differ(member, "tick", to_text(one.tick), to_text(view.tick));
      }
      view.tick = longer;
      view.lateness = std::max(view.lateness, one.lateness);
      view.delta = std::min(view.delta, one.delta);
      view.rho_cap = std::min(view.rho_cap, member.quota);
      view.groups_per_unit = std::max(view.groups_per_unit, one.groups_per_unit);
    }
    std::set<Duration> revisions;
    for (const CompositeMember& member : out_.members) {
      for (const Duration after : member.view.revisions) {
        const Duration at = member.view.lateness + after - view.lateness;
        if (at.ns > 0) revisions.insert(at);
      }
    }
    for (const Duration at : revisions) {
      if (view.revisions.size() < kRevisions) view.revisions.push_back(at);
    }
    const bool fits = view.block.ns == 0 || view.block.ns % view.tick.ns == 0 ||
                      view.tick.ns % view.block.ns == 0;
    return fits ? Outcome{} : Outcome(fail("has members whose ticks and blocks do not fit"));
  }

  // Of one reducer, what all bounds have in common.
  std::optional<ReducerBounds> shared_bounds(const std::string& signal, Reducer reducer) const {
    std::optional<ReducerBounds> shared;
    for (const CompositeMember& member : out_.members) {
      const ReducerBounds* own = member.view.measure(signal)->bounds_for(reducer);
      if (own == nullptr) return {};
      if (!shared) shared = *own;
      shared->lower = std::max(shared->lower, own->lower);
      shared->upper = std::min(shared->upper, own->upper);
    }
    for (const SystemProperty& property : system_.properties) {
      if (!property.lower || !property.upper) continue;
      auto parsed = parse_question("SELECT " + property.item + " FROM x OVER 1d");
      if (!parsed) continue;  // check_system has refused such a system
      const auto* folded = std::get_if<FoldedSignal>(&parsed->items.front().argument);
      const Measure* first = out_.members.front().view.measure(signal);
      if (folded == nullptr || folded->signal.text != signal ||
          folded->reducer.value_or(first->default_reducer) != reducer) {
        continue;
      }
      shared->lower = std::max(shared->lower, *property.lower);
      shared->upper = std::min(shared->upper, *property.upper);
    }
    return shared->lower < shared->upper ? shared : std::nullopt;
  }

  Outcome measures() {
    for (const Measure& measure : out_.members.front().view.measures) {
      Measure shared{measure.signal, measure.unit, measure.default_reducer, {}};
      const bool everywhere =
          std::all_of(out_.members.begin(), out_.members.end(), [&](const CompositeMember& member) {
            const Measure* own = member.view.measure(measure.signal);
            return own != nullptr && own->unit == measure.unit;
          });
      if (!everywhere) continue;
      for (const ReducerBounds& own : measure.bounds) {
        if (auto bounds = shared_bounds(measure.signal, own.reducer)) {
          shared.bounds.push_back(*bounds);
        }
      }
      if (!shared.bounds.empty()) out_.view.measures.push_back(std::move(shared));
    }
    if (!out_.view.measures.empty()) return {};
    return fail("has no signal that all members offer in one unit and within common bounds",
                "see 'entente export list' of the members");
  }

  static std::optional<std::size_t> index_of(const ExportView& view, std::string_view key) {
    const auto found = std::find(view.keys.begin(), view.keys.end(), key);
    if (found == view.keys.end()) return std::nullopt;
    return static_cast<std::size_t>(found - view.keys.begin());
  }

  Outcome cells() {
    ExportView& view = out_.view;
    for (const std::string& key : out_.members.front().view.keys) {
      const bool everywhere =
          std::all_of(out_.members.begin(), out_.members.end(),
                      [&](const CompositeMember& one) { return index_of(one.view, key); });
      if (everywhere && key != kOrganisationKey) view.keys.push_back(key);
    }
    if (view.keys.size() == limits::kExportKeys) view.keys.pop_back();
    view.keys.emplace_back(kOrganisationKey);
    for (std::size_t m = 0; m < out_.members.size(); ++m) add_cells(m);
    if (view.cells.size() <= limits::kCells) return {};
    return fail("has " + std::to_string(view.cells.size()) + " public cells, more than " +
                    std::to_string(limits::kCells),
                "compose it of fewer members, or of composites that answer for themselves");
  }

  void add_cells(std::size_t m) {
    const CompositeMember& member = out_.members[m];
    std::map<std::vector<std::string>, std::size_t> seen;
    for (std::uint32_t c = 0; c < member.view.cells.size(); ++c) {
      const PublicCell& cell = member.view.cells[c];
      std::vector<std::string> values;
      for (const std::string& key : out_.view.keys) {
        const auto at = index_of(member.view, key);
        if (key != kOrganisationKey) {
          values.push_back(cell.values[*at]);
        } else {
          values.push_back(at ? member.alias + "/" + cell.values[*at] : member.alias);
        }
      }
      const auto [place, is_new] = seen.emplace(values, out_.view.cells.size());
      if (is_new) {
        out_.view.cells.push_back({std::move(values), 0});
        out_.places.push_back({m, {}});
      }
      out_.places[place->second].second.push_back(c);
    }
    for (const auto& [values, place] : seen) {
      const std::uint64_t units = member.view.units_within(out_.places[place].second);
      out_.view.cells[place].units =
          static_cast<std::uint32_t>(std::min<std::uint64_t>(units, UINT32_MAX));
    }
  }

  Outcome add_leaf(CompositeTerms& terms, const CompositeMember& member,
                   CompositeTerms::Leaf leaf) {
    const auto key = std::tuple(leaf.organisation, leaf.site, leaf.domain);
    const auto [at, is_new] = reached_.emplace(key, name_of(member));
    if (is_new) {
      terms.leaves.push_back(std::move(leaf));
      return {};
    }
    // Routed, the site itself answers once; merged, nobody could tell.
    if (terms.answer == CompositeTerms::Answer::routed) return {};
    return fail("reaches the domain '" + leaf.domain + "' of the site '" + leaf.site +
                    "' twice: " + "by " + at->second + " and by " + name_of(member),
                "leave one of them out, or write answer = \"routed\"");
  }

  Outcome terms() {
    CompositeTerms terms;
    terms.answer = *system_.answer;
    const CompositeTerms::Name own{self_, system_.name};
    std::set<CompositeTerms::Name> within;
    for (const CompositeMember& member : out_.members) {
      const ExportView& view = member.view;
      if (!view.composite) {
        auto added =
            add_leaf(terms, member, {member.organisation, view.site, view.domain, member.alias});
        if (!added) return added;
        continue;
      }
      using Answer = CompositeTerms::Answer;
      if (terms.answer == Answer::routed && view.composite->answer == Answer::own) {
        return fail("is answer = \"routed\", and " + name_of(member) + " answers for itself",
                    "write answer = \"own\": what is merged once cannot be taken apart again");
      }
      within.insert({member.organisation, view.name});
      within.insert(view.composite->within.begin(), view.composite->within.end());
      if (within.contains(own)) {
        return fail("contains itself, by " + name_of(member), "leave that member out");
      }
      for (CompositeTerms::Leaf leaf : view.composite->leaves) {
        leaf.name = member.alias + "/" + leaf.name;
        if (auto added = add_leaf(terms, member, std::move(leaf)); !added) return added;
      }
    }
    if (terms.leaves.size() > kLeaves || within.size() > kComposites) {
      return fail("reaches more than " + std::to_string(kLeaves) + " sites",
                  "let the composites inside it answer for themselves");
    }
    terms.within.assign(within.begin(), within.end());
    out_.view.composite = std::move(terms);
    return {};
  }

  const SystemTwin& system_;
  const OrgId& self_;
  Composite out_;
  std::map<std::tuple<OrgId, std::string, std::string>, std::string> reached_;
};

// One member's part of a question's groups.
struct Part {
  std::vector<Group> groups;
  std::vector<std::size_t> asked;
};

// A member's value of its key `organisation`: what follows its alias.
std::string below(const std::string& value, const std::string& alias) {
  return value.substr(std::min(value.size(), alias.size() + 1));
}

Part part_of(const Composite& composite, std::size_t m, const Question& question,
             const std::vector<std::string>& keys) {
  const CompositeMember& member = composite.members[m];
  Part part;
  for (std::size_t g = 0; g < question.groups.size(); ++g) {
    Group group;
    for (const std::uint32_t cell : question.groups[g].cells) {
      const auto& [owner, cells] = composite.places[cell];
      if (owner == m) group.cells.insert(group.cells.end(), cells.begin(), cells.end());
    }
    if (group.cells.empty()) continue;
    std::sort(group.cells.begin(), group.cells.end());
    for (const std::string& key : keys) {
      const auto at = std::find(question.group_keys.begin(), question.group_keys.end(), key);
      const std::string& value =
          question.groups[g].values[static_cast<std::size_t>(at - question.group_keys.begin())];
      group.values.push_back(key == kOrganisationKey ? below(value, member.alias) : value);
    }
    part.groups.push_back(std::move(group));
    part.asked.push_back(g);
  }
  return part;
}

}  // namespace

Result<Composite> compose(const SystemTwin& system, const OrgId& self, const std::string& site,
                          std::vector<CompositeMember> members) {
  return Composer(system, self, std::move(members)).compose(site);
}

std::vector<MemberPlan> member_questions(const Composite& composite, const Question& question) {
  std::vector<MemberPlan> plans;
  for (std::size_t m = 0; m < composite.members.size(); ++m) {
    const ExportView& view = composite.members[m].view;
    MemberPlan& plan = plans.emplace_back();
    std::vector<std::string> keys;
    for (const std::string& key : view.keys) {
      const auto& asked = question.group_keys;
      if (std::find(asked.begin(), asked.end(), key) != asked.end()) keys.push_back(key);
    }
    Part part = part_of(composite, m, question, keys);
    if (part.groups.empty()) continue;
    // In the order of the member's cells, as a question has them.
    std::vector<std::size_t> order(part.groups.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return part.groups[a].cells.front() < part.groups[b].cells.front();
    });
    plan.question = question;
    plan.question->export_name = view.name;
    plan.question->export_hash = export_hash(view);
    plan.question->group_keys = std::move(keys);
    plan.question->groups.clear();
    for (const std::size_t i : order) {
      plan.question->groups.push_back(std::move(part.groups[i]));
      plan.groups.push_back(part.asked[i]);
    }
  }
  return plans;
}

}  // namespace entente::federation
