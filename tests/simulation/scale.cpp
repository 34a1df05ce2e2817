#include "tests/simulation/scale.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>

#include "federation/ask/sealed_answer.h"
#include "federation/query/parser.h"
#include "federation/query/plan.h"
#include "federation/query/price.h"
#include "schemas/base/check.h"
#include "tests/simulation/clock.h"
#include "tests/simulation/envelopes.h"
#include "tests/simulation/event_queue.h"
#include "tests/simulation/organisation.h"

namespace entente::simulation {
namespace {

using namespace federation;

constexpr double kEpsilon = 0.2;
constexpr std::uint64_t kSeed = 2026;
constexpr Duration kWireLeast = milliseconds(20), kWireMost = milliseconds(150);
// Round figures of the benchmarks `ask` and `rpc` for one core of this decade.
constexpr Duration kSign = microseconds(60);        // and seal, for each member asked
constexpr Duration kVerify = microseconds(150);     // and open, for each answer
constexpr Duration kFold = milliseconds(20);        // at a leaf, with its commit and its time grid
constexpr std::int64_t kBytesASecond = 12'500'000;  // 100 Mbit/s

struct TreeNode {
  std::size_t parent = 0;
  std::size_t level = 0;
  std::vector<std::size_t> members;
  std::size_t leaves = 0;
  Duration wire{};  // to the parent
  std::size_t missing = 0;
  std::size_t messages = 0, bytes = 0;
  bool is_leaf() const { return members.empty(); }
};

// Complete from the leaves up: each level has a fan_out-th of the nodes below it.
std::vector<TreeNode> tree_of(const ScaleCase& one) {
  std::vector<std::size_t> widths = {one.sites};
  while (widths.back() > 1) {
    widths.push_back((widths.back() + one.fan_out - 1) / one.fan_out);
  }
  std::reverse(widths.begin(), widths.end());
  std::vector<TreeNode> nodes(1);
  std::size_t above = 0;
  for (std::size_t level = 1; level < widths.size(); ++level) {
    const std::size_t first = nodes.size();
    for (std::size_t i = 0; i < widths[level]; ++i) {
      TreeNode made;
      made.level = level;
      made.parent = above + i * widths[level - 1] / widths[level];
      nodes[made.parent].members.push_back(nodes.size());
      nodes.push_back(std::move(made));
    }
    above = first;
  }
  for (std::size_t i = nodes.size(); i-- > 1;) {
    if (nodes[i].is_leaf()) nodes[i].leaves = 1;
    nodes[nodes[i].parent].leaves += nodes[i].leaves;
  }
  return nodes;
}

class Run {
 public:
  explicit Run(const ScaleCase& one)
      : case_(one), sizes_(measured_sizes()), queue_(kSeed), nodes_(tree_of(one)) {
    for (TreeNode& node : nodes_) node.wire = queue_.between(kWireLeast, kWireMost);
  }

  ScaleFigures figures() {
    ask(0);
    while (queue_.step(hours(1))) {
      if (done_) break;
    }
    ScaleFigures out;
    out.nodes = nodes_.size();
    out.latency = queue_.now();
    out.reply_most = reply_most_;
    out.epsilon_site = kEpsilon;
    out.bytes_origin = nodes_.front().bytes;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      const TreeNode& node = nodes_[i];
      out.levels = std::max(out.levels, node.level);
      out.messages_most = std::max(out.messages_most, node.messages);
      auto& most = node.is_leaf() ? out.bytes_leaf : out.bytes_inner_most;
      if (i != 0) most = std::max(most, node.bytes);
    }
    return out;
  }

 private:
  // An envelope holds the one that caused it, and so all of them up to the origin's.
  std::size_t envelope_of(std::size_t level) const {
    return sizes_.envelope + sizes_.hop * (level - 1);
  }

  std::size_t reply_of(const TreeNode& node) const {
    if (node.is_leaf()) return sizes_.answer;
    return case_.answer == ScaleAnswer::own ? sizes_.answer + sizes_.leaf_named * node.leaves
                                            : sizes_.answer * node.leaves;
  }

  void carry(std::size_t from, std::size_t to, std::size_t bytes, Duration after,
             std::function<void()> arrived) {
    for (const std::size_t end : {from, to}) {
      ++nodes_[end].messages;
      nodes_[end].bytes += bytes;
    }
    const Duration sending{static_cast<std::int64_t>(bytes) * 1'000'000'000 / kBytesASecond};
    const TreeNode& lower = nodes_[std::max(from, to)];
    queue_.after(after + sending + lower.wire, std::move(arrived));
  }

  void ask(std::size_t at) {
    TreeNode& node = nodes_[at];
    if (node.is_leaf()) return answer(at, kFold);
    node.missing = node.members.size();
    Duration signing{};
    for (const std::size_t member : node.members) {
      signing = signing + kSign;
      carry(at, member, envelope_of(nodes_[member].level), signing,
            [this, member] { ask(member); });
    }
  }

  void answer(std::size_t at, Duration takes) {
    if (at == 0) {
      done_ = true;
      return;
    }
    const std::size_t bytes = reply_of(nodes_[at]);
    reply_most_ = std::max(reply_most_, bytes);
    carry(at, nodes_[at].parent, bytes, takes, [this, to = nodes_[at].parent] {
      if (--nodes_[to].missing > 0) return;
      const auto opened = case_.answer == ScaleAnswer::own ? nodes_[to].members.size()
                          : to == 0                        ? nodes_[to].leaves
                                                           : 0;
      const Duration opening = kVerify * static_cast<std::int64_t>(opened);
      queue_.after(opening, [this, to] { answer(to, kSign); });
    });
  }

  const ScaleCase case_;
  const MessageSizes sizes_;
  EventQueue queue_;
  std::vector<TreeNode> nodes_;
  std::size_t reply_most_ = 0;
  bool done_ = false;
};

std::string kib(std::size_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, bytes < 10'240 ? "%.1f KiB" : "%.0f KiB",
                static_cast<double>(bytes) / 1'024);
  return text;
}

}  // namespace

MessageSizes measured_sizes() {
  const Organisation& site = organisation(0);
  const Organisation& asker = organisation(1);
  SeededRandom random(kSeed);
  const auto sentence = parse_question(
      "SELECT mean(pm25) FROM air GROUP BY zone OVER '2025-12-30' .. '2025-12-31' "
      "WITH (epsilon = 0.2, purpose = 'planning')");
  const MemberView member{&site.view, site.name};
  PlanOptions options;
  options.now = kBeginning;
  const auto planned = plan(*sentence, {&member, 1}, options);
  ENTENTE_CHECK(planned.has_value());
  const Question& question = *planned->members.front().question;
  const auto price = price_of(question, site.view);
  ENTENTE_CHECK(price.has_value());

  Envelope envelope;
  envelope.origin = asker.id();
  envelope.audience = site.id();
  envelope.audience_site = kSite;
  envelope.query_id = random.id<QueryId>();
  envelope.issued = kBeginning;
  envelope.deadline = kBeginning + seconds(30);
  envelope.agreement = random.id<AgreementId>();
  envelope.purpose = "planning";
  envelope.seal_key = security::SealPair::generate(random).public_key();
  envelope.question = canonical_bytes(question);

  Release release;
  release.organisation = site.id();
  release.site = kSite;
  release.question_hash = question_hash(envelope.question);
  release.domain = site.view.domain;
  release.unit = "twin";
  release.charges = price->charges;
  release.statistics = price->statistics;
  const auto integers = integers_of(price->layout);
  for (std::uint32_t group = 0; group < question.groups.size(); ++group) {
    release.cells.push_back({group, 0, std::vector<std::int64_t>(integers, 1 << 20)});
  }
  release.released = kBeginning;
  Answer answer;
  answer.release = canonical_bytes(release);
  answer.charged = answer.left = answer.caps = price->charges;

  SiteSnapshot snapshot;
  snapshot.self = site.id();
  snapshot.site = kSite;
  const AuditHead head{1'000, random.id<Hash256>()};
  const auto sealed =
      seal_answer(std::move(answer), {envelope.seal_key, asker.id()}, random.id<Hash256>(), head,
                  snapshot, site.keys.answer, kBeginning);
  ENTENTE_CHECK(sealed.has_value());
  MessageSizes sizes;
  const Bytes first = signed_by(asker, envelope);
  sizes.envelope = first.size();
  envelope.via = first;
  sizes.hop = signed_by(asker, envelope).size() - sizes.envelope;
  sizes.answer = sealed->size();
  // An organisation's id, and the names of site and domain, padded as texts are.
  sizes.leaf_named = sizeof(OrgId::bytes) + 2 * 16 + 24;
  return sizes;
}

ScaleFigures figures_of(const ScaleCase& one) {
  return Run(one).figures();
}

std::vector<std::string> scale_table() {
  std::vector<std::string> lines;
  for (const ScaleAnswer answer : {ScaleAnswer::own, ScaleAnswer::routed}) {
    for (const std::size_t fan_out : {10, 32}) {
      const ScaleFigures one = figures_of({10'000, fan_out, answer});
      char line[256];
      std::snprintf(line, sizeof line,
                    "| %s | %zu | %zu | %.2f s | %zu | %s | %s | %s | %s | %.1f |",
                    answer == ScaleAnswer::own ? "`own`" : "`routed`", fan_out, one.levels,
                    one.latency.seconds(), one.messages_most, kib(one.bytes_origin).c_str(),
                    kib(one.bytes_inner_most).c_str(), kib(one.bytes_leaf).c_str(),
                    kib(one.reply_most).c_str(), one.epsilon_site);
      lines.push_back(line);
    }
  }
  return lines;
}

}  // namespace entente::simulation
