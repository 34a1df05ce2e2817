#include "federation/ask/composite_reader.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "schemas/base/log.h"
#include "schemas/envelope.h"

namespace entente::federation {
namespace {

Error unfit(std::string what) {
  return make_error(ErrorCode::verification_failed, std::move(what));
}

using Domain = std::tuple<OrgId, std::string, std::string>;

Domain domain_of(const LeafOutcome& leaf) {
  return {leaf.organisation, leaf.site, leaf.domain};
}

std::set<Domain> declared(const ExportView& view) {
  std::set<Domain> out;
  for (const auto& leaf : view.composite->leaves) {
    out.emplace(leaf.organisation, leaf.site, leaf.domain);
  }
  return out;
}

MemberCoverage coverage_of(const MemberCall& member, const LeafOutcome& leaf) {
  MemberCoverage coverage;
  coverage.organisation = leaf.organisation;
  coverage.name = member.target.partner.name + "/" + leaf.name;
  coverage.site = leaf.site;
  coverage.export_name = leaf.export_name;
  coverage.delta = member.target.view->delta;
  coverage.unit = member.target.view->unit;
  coverage.path = leaf.path;
  coverage.charged = leaf.charged;
  if (leaf.state == MemberState::answered) {
    coverage.state = leaf.state;
  } else {
    mark(coverage, leaf.state, leaf.code, words_of(leaf.code));
  }
  return coverage;
}

// The envelope a leaf was asked with, when it was sent on for the one of `member`.
Result<Envelope> asked_with(const MemberCall& member, const SiteSnapshot& site,
                            const LeafOutcome& leaf, Hash256& hash) {
  Envelope envelope;  // of the hop before
  Envelope first;
  for (std::size_t hops = 0; hops <= kPathMost; ++hops) {
    const Bytes& bytes = hops == 0 ? leaf.routed->envelope : envelope.via;
    auto body = signed_from_bytes(bytes);
    if (!body) return unfit("an envelope of its way cannot be read");
    const Hash256 of = envelope_hash(body->body);
    if (hops > 0 && of == member.envelope_hash) {
      if (envelope.origin == member.target.partner.organisation) return first;
      return unfit("somebody else sent the question on");
    }
    auto next = envelope_from_bytes(body->body);
    if (!next) return unfit("an envelope of its way is malformed");
    const auto known = site.partners.find(next->origin);
    if (known != site.partners.end() &&
        !known->second.signed_envelope(security::contexts::kEnvelope, *body)) {
      return unfit("an envelope of its way was not signed by '" + known->second.name + "'");
    }
    const bool chained = hops == 0 || next->audience == envelope.origin;
    if (!chained || next->query_id != member.query_id) {
      return unfit("an envelope of its way belongs to another question");
    }
    envelope = std::move(*next);
    if (hops == 0) {
      hash = of;
      first = envelope;
    }
    if (envelope.via.empty()) break;
  }
  return unfit("it was not asked for this question");
}

std::optional<std::size_t> index_of(const std::vector<std::string>& keys, std::string_view key) {
  const auto found = std::find(keys.begin(), keys.end(), key);
  if (found == keys.end()) return std::nullopt;
  return static_cast<std::size_t>(found - keys.begin());
}

// Whether a cell of the site lies in a cell of the system twin as that describes it: of this site,
// with the same values of the keys that both have.
bool lies_in(const ExportView& view, const PublicCell& cell, const ExportView& system,
             const PublicCell& whole, const std::string& name) {
  for (std::size_t k = 0; k < system.keys.size(); ++k) {
    if (system.keys[k] == kOrganisationKey) {
      if (whole.values[k] != name) return false;
      continue;
    }
    const auto at = index_of(view.keys, system.keys[k]);
    if (!at || cell.values[*at] != whole.values[k]) return false;
  }
  return true;
}

// Each group of the site's question has exactly its cells that lie in the group it is put under: so
// what was asked of it is neither more nor less than what this site asked.
Outcome check_cells(const MemberCall& member, const LeafOutcome& leaf, const Question& asked,
                    const ExportView& view) {
  const ExportView& system = *member.target.view;
  const Question& ours = *member.plan.question;
  for (std::size_t g = 0; g < asked.groups.size(); ++g) {
    const Group& group = ours.groups[leaf.routed->groups[g]];
    std::vector<std::uint32_t> cells;
    for (std::uint32_t c = 0; c < view.cells.size(); ++c) {
      const bool inside =
          std::any_of(group.cells.begin(), group.cells.end(), [&](std::uint32_t whole) {
            return lies_in(view, view.cells[c], system, system.cells[whole], leaf.name);
          });
      if (inside) cells.push_back(c);
    }
    if (cells != asked.groups[g].cells) return unfit("it was asked about other cells");
  }
  return {};
}

// Whether the site was asked what this one asked, about groups that are what they are called.
Outcome check_same(const Question& asked, const Question& ours, const RoutedAnswer& routed) {
  const bool same = asked.items == ours.items && asked.columns == ours.columns &&
                    asked.window == ours.window && asked.every == ours.every &&
                    asked.tree_height == ours.tree_height && asked.private_keys.empty();
  if (!same) return unfit("it was asked another question");
  if (routed.groups.size() != asked.groups.size()) return unfit("its groups do not fit");
  for (const std::string& key : ours.group_keys) {
    if (key != kOrganisationKey && !index_of(asked.group_keys, key)) {
      return unfit("it was not grouped by '" + key + "'");
    }
  }
  for (std::size_t g = 0; g < asked.groups.size(); ++g) {
    if (routed.groups[g] >= ours.groups.size()) return unfit("it has groups nobody asked for");
    const Group& group = ours.groups[routed.groups[g]];
    for (std::size_t k = 0; k < asked.group_keys.size(); ++k) {
      if (asked.group_keys[k] == kOrganisationKey) continue;  // another name at each hop
      const auto key =
          std::find(ours.group_keys.begin(), ours.group_keys.end(), asked.group_keys[k]);
      if (key == ours.group_keys.end()) return unfit("it was grouped by another key");
      const auto at = static_cast<std::size_t>(key - ours.group_keys.begin());
      if (group.values[at] != asked.groups[g].values[k]) {
        return unfit("its values are put under another group's name");
      }
    }
  }
  return {};
}

struct OpenedLeaf {
  Answer answer;
  bool vouched = false;
};

Result<OpenedLeaf> open_leaf(const MemberCall& member, const SiteSnapshot& site,
                             const LeafOutcome& leaf, const Hash256& asked) {
  Bytes signed_bytes = leaf.routed->answer;
  if (leaf.routed->sealed) {
    auto opened = member.seal->open(leaf.routed->answer);
    if (!opened) return std::move(opened).error();
    signed_bytes = std::move(*opened);
  }
  const auto outer = signed_from_bytes(signed_bytes);
  if (!outer) return unfit("its answer cannot be read");
  const auto known = site.partners.find(leaf.organisation);
  OpenedLeaf out;
  out.vouched = known == site.partners.end();
  // Sealed past whoever sent it on, and by somebody unknown here: nobody has verified it.
  if (out.vouched && leaf.routed->sealed) return unfit("nobody knows who signed its answer");
  if (!out.vouched && !signed_by(known->second, security::contexts::kAnswer, *outer)) {
    return unfit("its answer's signature is not valid");
  }
  auto answer = answer_from_bytes(outer->body);
  if (!answer) return std::move(answer).error();
  if (answer->envelope_hash != asked || (leaf.routed->sealed && answer->audience != site.self)) {
    return unfit("its answer belongs to another question");
  }
  out.answer = std::move(*answer);
  return out;
}

// Fills in the coverage and gives the part.
Result<std::shared_ptr<const AnsweredPart>> verify_leaf(const MemberCall& member,
                                                        const SiteSnapshot& site,
                                                        const LeafOutcome& leaf,
                                                        MemberCoverage& coverage) {
  const Question& ours = *member.plan.question;
  Hash256 hash;
  const auto envelope = asked_with(member, site, leaf, hash);
  if (!envelope) return envelope.error();
  if (envelope->audience != leaf.organisation || envelope->audience_site != leaf.site) {
    return unfit("another site was asked");
  }
  auto part = std::make_shared<AnsweredPart>();
  auto question = question_from_bytes(envelope->question);
  if (!question) return std::move(question).error();
  auto view = export_view_from_bytes(leaf.routed->view);
  if (!view) return std::move(view).error();
  const bool described = export_hash(*view) == question->export_hash && view->site == leaf.site &&
                         view->domain == leaf.domain && view->name == leaf.export_name;
  if (!described) return unfit("its export is described otherwise than it was asked");
  if (auto same = check_same(*question, ours, *leaf.routed); !same) return std::move(same).error();
  if (auto same = check_cells(member, leaf, *question, *view); !same) {
    return std::move(same).error();
  }
  auto opened = open_leaf(member, site, leaf, hash);
  if (!opened) return std::move(opened).error();
  auto price = price_of(*question, *view);
  if (!price) return std::move(price).error();
  auto release = open_release(opened->answer, {leaf.organisation, leaf.site}, *question,
                              envelope->question, *price);
  if (!release) return std::move(release).error();
  coverage.reused = opened->answer.reused;
  coverage.charged = opened->answer.charged;
  coverage.left = opened->answer.left;
  coverage.caps = opened->answer.caps;
  coverage.age = opened->answer.issued - question->window.to;
  coverage.revision = release->revision;
  coverage.composed_of = release->composed_of;
  coverage.delta = view->delta;
  coverage.unit = view->unit;
  coverage.vouched = opened->vouched;
  for (const std::uint32_t group : leaf.routed->groups) {
    part->plan.groups.push_back(member.plan.groups.at(group));
  }
  part->plan.question = std::move(*question);
  part->price = std::move(*price);
  part->release = std::move(*release);
  return std::shared_ptr<const AnsweredPart>(std::move(part));
}

// Squares on the lattice they are counted from, cells that were asked for, each group with all its
// ticks; what is added to `seen` is in no other release.
Outcome check_merged_cells(const MemberCall& member, const Release& release,
                           std::set<std::pair<std::uint32_t, std::uint32_t>>& seen) {
  const Question& question = *member.plan.question;
  for (std::size_t s = 0; s < member.price.layout.size(); ++s) {
    const bool squares = member.price.layout[s].kind == StatisticKind::squares;
    if (squares && release.statistics[s].exponent != member.price.statistics[s].exponent) {
      return unfit("a merged release has squares on another lattice");
    }
  }
  std::map<std::uint32_t, std::size_t> ticks;
  for (const ReleasedCell& cell : release.cells) {
    const bool asked = cell.group < question.groups.size() && cell.tick < question.tick_count() &&
                       cell.values.empty();
    if (!asked || !seen.emplace(cell.group, cell.tick).second) {
      return unfit("the merged releases have cells nobody asked for, or one twice");
    }
    ++ticks[cell.group];
  }
  for (const auto& [group, count] : ticks) {
    if (count != question.tick_count()) return unfit("a merged release lacks cells in time");
  }
  return {};
}

// Merged by the organisation itself: its lattice and noise are what its members' came to. Each
// release has all ticks of the groups it is about, and no group is in two.
Result<std::vector<std::shared_ptr<const AnsweredPart>>> verify_merged(
    const MemberCall& member, const CompositeAnswer& answer) {
  std::vector<std::shared_ptr<const AnsweredPart>> parts;
  std::set<std::pair<std::uint32_t, std::uint32_t>> seen;
  for (const Bytes& bytes : answer.releases) {
    auto release = release_from_bytes(bytes);
    if (!release) return std::move(release).error();
    const bool widths = std::equal(release->statistics.begin(), release->statistics.end(),
                                   member.price.statistics.begin(), member.price.statistics.end(),
                                   [](const Statistic& stated, const Statistic& asked) {
                                     return stated.width == asked.width && stated.variance > 0;
                                   });
    const bool fits = widths && release->organisation == member.target.partner.organisation &&
                      release->site == member.target.view->site &&
                      release->question_hash == question_hash(member.question);
    if (!fits) return unfit("a merged release does not fit the question");
    if (auto whole = check_merged_cells(member, *release, seen); !whole) {
      return std::move(whole).error();
    }
    // Figures are made of what the price states; here that is the noise of all members together.
    Price price = member.price;
    price.statistics = release->statistics;
    parts.push_back(std::make_shared<AnsweredPart>(
        AnsweredPart{member.plan, std::move(price), std::move(*release)}));
  }
  return parts;
}

}  // namespace

Result<CompositeAnswer> open_composite(const MemberCall& member, const OrgId& self) {
  auto opened = member.seal->open(*member.reply);
  if (!opened) return std::move(opened).error();
  const auto outer = signed_from_bytes(*opened);
  if (!outer || !signed_by(member.target.partner, kCompositeContext, *outer)) {
    return unfit("the answer's signature is not valid");
  }
  auto answer = composite_answer_from_bytes(outer->body);
  if (!answer) return std::move(answer).error();
  if (answer->envelope_hash != member.envelope_hash || answer->audience != self ||
      answer->composite != member.target.view->name) {
    return unfit("the answer belongs to another question");
  }
  const auto known = declared(*member.target.view);
  std::set<Domain> answered;
  for (const LeafOutcome& leaf : answer->leaves) {
    if (!known.contains(domain_of(leaf))) {
      return unfit("it names a site that the system twin was not said to have");
    }
    if (leaf.state != MemberState::answered) continue;
    if (!answered.insert(domain_of(leaf)).second) {
      return unfit("it counts the domain '" + leaf.domain + "' of a site twice");
    }
  }
  return answer;
}

ReadLeaf read_leaf(const MemberCall& member, const SiteSnapshot& site, const LeafOutcome& leaf) {
  ReadLeaf read{coverage_of(member, leaf), {}};
  if (leaf.state != MemberState::answered) return read;
  auto part = leaf.routed ? verify_leaf(member, site, leaf, read.coverage)
                          : Result<std::shared_ptr<const AnsweredPart>>(
                                unfit("it is said to have answered, and its answer is missing"));
  if (part) {
    read.part = std::move(*part);
    return read;
  }
  mark(read.coverage, MemberState::unverified, part.error().code, part.error().what);
  log::warn("ask", "an answer that was sent on did not verify",
            {{"site", read.coverage.name}, {"reason", part.error().what}});
  return read;
}

MemberOutcome read_composite(const MemberCall& member, const SiteSnapshot& site) {
  MemberOutcome out;
  const auto refuse = [&](const Error& error) {
    out = {{member.coverage}, {}};
    mark(out.coverage.front(), MemberState::unverified, error.code, error.what);
    log::warn("ask", "an answer did not verify",
              {{"partner", member.coverage.name}, {"reason", error.what}});
    return out;
  };
  const auto answer = open_composite(member, site.self);
  if (!answer) return refuse(answer.error());
  const bool merged = member.target.view->composite->answer == CompositeTerms::Answer::own;
  if (merged) {
    auto parts = verify_merged(member, *answer);
    if (!parts) return refuse(parts.error());
    out.parts = std::move(*parts);
  }
  for (const LeafOutcome& leaf : answer->leaves) {
    if (merged) {
      out.coverage.push_back(coverage_of(member, leaf));
      out.coverage.back().vouched = leaf.state == MemberState::answered;
      out.coverage.back().age = answer->issued - member.plan.question->window.to;
      continue;
    }
    ReadLeaf read = read_leaf(member, site, leaf);
    if (read.part) out.parts.push_back(std::move(read.part));
    out.coverage.push_back(std::move(read.coverage));
  }
  return out;
}

}  // namespace entente::federation
