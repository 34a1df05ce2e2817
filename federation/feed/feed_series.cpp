#include "federation/feed/feed_series.h"

#include <algorithm>
#include <cmath>

#include "federation/feed/feed_release.h"
#include "schemas/base/hash.h"
#include "security/privacy/dyadic.h"
#include "security/privacy/toeplitz_decoder.h"

namespace entente::federation {
namespace {

using security::DyadicNode;

// The noisy sums of one group and statistic in their unit of measure, where a tick has one.
using Sums = std::vector<std::optional<Noisy>>;

// Ticks that the figure of tick t is about.
std::optional<security::TickRange> range_of(const FeedTerms& terms, std::uint64_t t) {
  if (terms.kind == FeedKind::cumulative) return security::TickRange{0, t + 1};
  if (t + 1 < terms.window_ticks) return {};
  return security::TickRange{t + 1 - terms.window_ticks, t + 1};
}

struct Column {
  const FeedPlan& feed;
  const std::vector<Release>& releases;
  std::size_t group;
  std::size_t statistic;

  // What tick t released of it at a level (0 but for dyadic nodes), in steps.
  std::int64_t released(std::uint64_t t, int level) const {
    const auto tick = static_cast<std::uint32_t>(t);
    const std::size_t each = cells_of_tick(feed.terms, feed.price, tick);
    const std::size_t at = group * each + static_cast<std::size_t>(level);
    return releases.at(t).cells.at(at).mantissas.at(statistic);
  }

  // Step and noise are what the tick's own release says: buckets that straddle blocks may differ.
  void add(Noisy& sum, std::uint64_t t, int level) const {
    const Statistic& of = releases.at(t).statistics.at(statistic);
    sum.value += std::ldexp(static_cast<double>(released(t, level)), of.exponent);
    sum.variance += std::ldexp(static_cast<double>(of.variance), 2 * of.exponent);
  }

  Noisy of_range(security::TickRange range) const {
    Noisy sum;
    if (feed.terms.mechanism == FeedMechanism::dyadic) {
      for (const DyadicNode& node : security::dyadic_nodes(range, feed.price.level_most)) {
        add(sum, node.end() - 1, node.level);
      }
      return sum;
    }
    for (std::uint64_t t = range.from; t < range.to; ++t) add(sum, t, 0);
    return sum;
  }

  Sums sums() const {
    const FeedTerms& terms = feed.terms;
    Sums out(releases.size());
    if (terms.mechanism == FeedMechanism::toeplitz) {
      std::vector<std::int64_t> values;
      for (std::size_t t = 0; t < releases.size(); ++t) values.push_back(released(t, 0));
      const auto toeplitz = security::Toeplitz::make(terms.ticks);
      ENTENTE_CHECK(toeplitz.has_value());
      const security::ToeplitzDecoder decoder(*toeplitz);
      const auto totals = decoder.totals(values);
      const auto variances = decoder.variances();
      const Statistic& of = feed.price.tick.statistics.at(statistic);
      const double noise = std::ldexp(static_cast<double>(of.variance), 2 * of.exponent);
      for (std::size_t t = 0; t < out.size(); ++t) {
        out[t] = {std::ldexp(totals[t], of.exponent), variances[t] * noise};
      }
      return out;
    }
    for (std::size_t t = 0; t < out.size(); ++t) {
      if (const auto range = range_of(terms, t)) out[t] = of_range(*range);
    }
    return out;
  }
};

// The statistic that an item of a feed of sums reads: it has one of its own or shares it.
std::size_t statistic_of(const FeedPrice& price, std::size_t item) {
  for (std::size_t j = 0; j < price.tick.layout.size(); ++j) {
    const auto& items = price.tick.layout[j].items;
    if (std::find(items.begin(), items.end(), item) != items.end()) return j;
  }
  ENTENTE_CHECK(false);
  return 0;
}

AnswerRow row_of(const FeedPlan& feed, const std::vector<Noisy>& statistics) {
  AnswerRow row;
  const auto& items = feed.terms.question.items;
  row.bins.resize(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    const bool count = items[i].aggregate == Aggregate::count;
    row.values.push_back(of_sum(statistics.at(statistic_of(feed.price, i)), count ? 0 : -INFINITY));
  }
  return row;
}

std::vector<std::vector<AnswerRow>> sums_series(const FeedPlan& feed,
                                                const std::vector<Release>& releases) {
  const std::size_t groups = feed.terms.question.groups.size();
  const std::size_t statistics = feed.price.tick.statistics.size();
  std::vector<std::vector<AnswerRow>> rows(releases.size());
  std::vector<std::vector<Sums>> sums(groups);  // by group and statistic
  for (std::size_t g = 0; g < groups; ++g) {
    for (std::size_t j = 0; j < statistics; ++j) {
      sums[g].push_back(Column{feed, releases, g, j}.sums());
    }
  }
  for (std::size_t t = 0; t < releases.size(); ++t) {
    if (!sums.front().front()[t]) continue;
    std::vector<Noisy> total(statistics);
    for (std::size_t g = 0; g < groups; ++g) {
      std::vector<Noisy> values;
      for (std::size_t j = 0; j < statistics; ++j) {
        values.push_back(*sums[g][j][t]);
        total[j].value += values.back().value;
        total[j].variance += values.back().variance;
      }
      rows[t].push_back(row_of(feed, values));
      rows[t].back().group = feed.plan.groups.at(feed.plan.members.front().groups.at(g));
    }
    if (groups > 1) {
      rows[t].push_back(row_of(feed, total));
      rows[t].back().total = true;
    }
  }
  return rows;
}

// The question and price of one tick of the mechanism `buckets`.
struct Bucket {
  MemberPlan member;
  Price price;
};

Result<Bucket> bucket_of(const FeedPlan& feed, const ExportView& view, std::uint32_t sequence) {
  Bucket bucket;
  bucket.member = feed.plan.members.front();
  bucket.member.question = tick_question(feed.terms, feed.price, sequence);
  auto price = price_of(*bucket.member.question, view);
  if (!price) return std::move(price).error();
  bucket.price = std::move(*price);
  return bucket;
}

Error unfit(const char* what) {
  return make_error(ErrorCode::verification_failed, what);
}

}  // namespace

Hash256 tick_hash(ByteView canonical_terms, std::uint32_t sequence) {
  const std::string number = std::to_string(sequence);
  const Hash256 terms = feed_terms_hash(canonical_terms);
  return hash_parts("entente feed tick v1", {terms.view(), bytes_of(number)});
}

Outcome check_tick(const FeedPlan& feed, const ExportView& view, std::uint32_t sequence,
                   const Release& release) {
  if (sequence >= feed.price.ticks.size()) return unfit("the feed has no such tick");
  if (release.site != view.site || release.domain != view.domain ||
      release.question_hash != tick_hash(canonical_bytes(feed.terms), sequence)) {
    return unfit("the release is not this tick of this feed");
  }
  const std::size_t groups = feed.terms.question.groups.size();
  if (feed.terms.mechanism == FeedMechanism::buckets) {
    const auto bucket = bucket_of(feed, view, sequence);
    if (!bucket) return bucket.error();
    const std::size_t ticks = bucket->member.question->tick_count();
    if (release.statistics != bucket->price.statistics || release.cells.size() != groups * ticks) {
      return unfit("the release does not fit the feed's terms");
    }
    for (std::size_t i = 0; i < release.cells.size(); ++i) {
      if (release.cells[i].group != i / ticks || release.cells[i].tick != i % ticks ||
          !release.cells[i].values.empty()) {
        return unfit("the release has cells nobody asked for");
      }
    }
    return {};
  }
  const std::size_t each = cells_of_tick(feed.terms, feed.price, sequence);
  if (release.statistics != feed.price.tick.statistics || release.cells.size() != groups * each) {
    return unfit("the release does not fit the feed's terms");
  }
  for (std::size_t i = 0; i < release.cells.size(); ++i) {
    if (release.cells[i].group != i / each || release.cells[i].tick != i % each ||
        !release.cells[i].values.empty()) {
      return unfit("the release has cells nobody asked for");
    }
  }
  return {};
}

Result<std::vector<std::vector<AnswerRow>>> feed_series(const FeedPlan& feed,
                                                        const ExportView& view,
                                                        const std::vector<Release>& releases) {
  if (feed.terms.kind != FeedKind::repeat) return sums_series(feed, releases);
  std::vector<std::vector<AnswerRow>> rows;
  for (std::uint32_t t = 0; t < releases.size(); ++t) {
    auto bucket = bucket_of(feed, view, t);
    if (!bucket) return std::move(bucket).error();
    Plan plan = feed.plan;
    plan.window = feed.price.ticks[t];
    plan.ticks.clear();
    for (std::size_t i = 0; i < bucket->member.question->tick_count(); ++i) {
      plan.ticks.push_back(bucket->member.question->tick(i));
    }
    plan.members = {bucket->member};
    rows.push_back(merge_rows(plan, {{&plan.members.front(), &bucket->price, &releases[t]}}));
  }
  return rows;
}

std::vector<ExpectedError> expected_feed_errors(const FeedPlan& feed, const ExportView& view) {
  MemberPlan member = feed.plan.members.front();
  if (feed.terms.mechanism == FeedMechanism::buckets) {
    member.question = tick_question(feed.terms, feed.price, 0);
  }
  auto errors = expected_errors(feed.plan, {{&member, &feed.price.tick, &view}});
  const double factor = std::sqrt(worst_factor(feed.terms, feed.price));
  for (ExpectedError& row : errors) {
    for (double& half : row.half_width) half *= factor;
  }
  return errors;
}

}  // namespace entente::federation
