#include "federation/compose/system_check.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "federation/ask/admission.h"
#include "federation/compose/system_windows.h"
#include "federation/query/parser.h"
#include "federation/query/price.h"
#include "federation/query/suggest.h"

namespace entente::federation {
namespace {

// What a person needs of an error that points into a sentence nobody wrote.
Error first_line(Error error) {
  error.what = error.what.substr(0, error.what.find('\n'));
  return error;
}

class Check {
 public:
  explicit Check(const SystemScene& scene) : scene_(scene) {}

  std::vector<SystemFinding> run() {
    for (const SystemMember& member : scene_.system.members) look_at(member);
    find_shared_domains();
    if (auto declared = check_system(scene_.system); !declared) add({}, {}, declared.error());
    for (const SystemProperty& property : scene_.system.properties) {
      bool alone = true;
      for (const auto& [name, target] : members_)
        alone = at_member(name, target, property) && alone;
      if (alone && members_.size() > 1) together(property);
    }
    return std::move(findings_);
  }

 private:
  void add(std::string member, std::string property, Error error) {
    findings_.push_back({std::move(member), std::move(property), first_line(std::move(error))});
  }

  void look_at(const SystemMember& member) {
    const std::string name = to_text(member);
    if (member.organisation == scene_.site->self_name && member.export_name == scene_.system.name) {
      return add(name, {},
                 make_error(ErrorCode::config_invalid, "the system is a member of itself",
                            "leave it out"));
    }
    auto target = find_target(scene_.site, member.export_name, member.organisation);
    if (!target) {
      Error error = std::move(target).error();
      if (error.code == ErrorCode::agreement_missing) error.what += offered_by(member);
      return add(name, {}, std::move(error));
    }
    const auto& composite = target->view->composite;
    const CompositeTerms::Name self{scene_.site->self, scene_.system.name};
    if (composite && std::find(composite->within.begin(), composite->within.end(), self) !=
                         composite->within.end()) {
      return add(
          name, {},
          make_error(ErrorCode::config_invalid, "it contains this very system", "leave it out"));
    }
    members_.emplace_back(name, std::move(*target));
  }

  // "; did you mean 'air'?": of what this partner's active agreements do cover.
  std::string offered_by(const SystemMember& member) const {
    const KnownPartner* partner = scene_.site->partner_named(member.organisation);
    std::vector<std::string> offered;
    for (const auto& [id, agreement] : scene_.site->agreements) {
      const bool ours = agreement.value.consumer == scene_.site->self && partner != nullptr &&
                        agreement.value.provider == partner->organisation;
      if (!ours) continue;
      for (const ExportView& view : agreement.value.exports) offered.push_back(view.name);
    }
    if (offered.empty()) return {};
    const std::string near = did_you_mean(member.export_name, offered);
    return near.empty() ? "; it offers " + listed(offered) : near;
  }

  // One leaf reached twice would count the same units twice.
  void find_shared_domains() {
    std::map<std::tuple<OrgId, std::string, std::string>, std::string> seen;
    const auto once = [&](const std::string& name, const OrgId& organisation,
                          const std::string& site, const std::string& domain) {
      const auto [first, is_new] = seen.emplace(std::tuple{organisation, site, domain}, name);
      if (is_new || first->second == name) return;
      add(name, {},
          make_error(ErrorCode::config_invalid,
                     "it is of the same privacy domain ('" + domain + "' at the site '" + site +
                         "') as " + first->second + ": what happens there would count twice",
                     "keep one of the two"));
    };
    for (const auto& [name, target] : members_) {
      const ExportView& view = *target.view;
      if (!view.composite) {
        once(name, target.partner.organisation, view.site, view.domain);
        continue;
      }
      for (const CompositeTerms::Leaf& leaf : view.composite->leaves) {
        once(name, leaf.organisation, leaf.site, leaf.domain);
      }
    }
  }

  Result<Plan> planned(const SystemProperty& property,
                       const std::vector<AskTarget>& members) const {
    const WindowGrid grid = grid_of(property, members);
    auto sentence =
        parse_question(question_of(scene_.system, property, newest_closed(scene_.now, grid)));
    if (!sentence) return std::move(sentence).error();
    std::vector<MemberView> views;
    for (const AskTarget& target : members) views.push_back({target.view, target.partner.name});
    PlanOptions options;
    options.now = scene_.now;
    options.default_epsilon = scene_.default_epsilon;
    options.bounds = bounds_of(scene_.system);
    return plan(*sentence, views, options);
  }

  bool at_member(const std::string& name, const AskTarget& target, const SystemProperty& property) {
    auto plan = planned(property, {target});
    if (!plan) {
      add(name, property.name, std::move(plan).error());
      return false;
    }
    const Question& question = *plan->members.front().question;
    Outcome fits = price_of(question, *target.view).has_value()
                       ? check_shape(question, *target.view, *target.agreement)
                       : Outcome(price_of(question, *target.view).error());
    if (fits) fits = check_purpose(*target.agreement, property.purpose);
    if (!fits) add(name, property.name, fits.error());
    return fits.has_value();
  }

  void together(const SystemProperty& property) {
    std::vector<AskTarget> members;
    for (const auto& [name, target] : members_) members.push_back(target);
    auto plan = planned(property, members);
    if (!plan) add({}, property.name, std::move(plan).error());
  }

  const SystemScene& scene_;
  std::vector<std::pair<std::string, AskTarget>> members_;  // that can be asked
  std::vector<SystemFinding> findings_;
};

}  // namespace

std::vector<SystemFinding> find_faults(const SystemScene& scene) {
  return Check(scene).run();
}

std::vector<AskTarget> known_members(const SystemTwin& system,
                                     const std::shared_ptr<const SiteSnapshot>& site) {
  std::vector<AskTarget> known;
  for (const SystemMember& member : system.members) {
    auto target = find_target(site, member.export_name, member.organisation);
    if (target) known.push_back(std::move(*target));
  }
  return known;
}

std::vector<BoundsOverride> bounds_of(const SystemTwin& system) {
  std::vector<BoundsOverride> bounds;
  for (const SystemProperty& property : system.properties) {
    if (!property.lower || !property.upper) continue;
    auto parsed = parse_question("SELECT " + property.item + " FROM " + system.name + " OVER 1d");
    if (!parsed) continue;  // check_system has refused such a system
    const auto* folded = std::get_if<FoldedSignal>(&parsed->items.front().argument);
    if (folded == nullptr) continue;
    bounds.push_back({folded->signal.text, folded->reducer.value_or(Reducer::mean), *property.lower,
                      *property.upper});
  }
  return bounds;
}

}  // namespace entente::federation
