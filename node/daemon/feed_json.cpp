#include "node/daemon/feed_json.h"

#include <boost/json/value_from.hpp>

#include <algorithm>
#include <cmath>

#include "node/daemon/answer_json.h"
#include "security/privacy/blocks.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using namespace federation;

json::value number_or_null(double value) {
  return std::isfinite(value) ? json::value(value) : json::value(nullptr);
}

json::object estimate_json(const Estimate& estimate) {
  return {{"value", number_or_null(estimate.value)},
          {"standard_error", number_or_null(estimate.standard_error)},
          {"lower", number_or_null(estimate.lower)},
          {"upper", number_or_null(estimate.upper)}};
}

json::object row_json(const AnswerRow& row, const FeedPlan& plan, TimeWindow tick) {
  json::object out{{"group", json::value_from(row.group)}, {"total", row.total}};
  if (plan.terms.question.every) {
    out["tick"] = to_text(tick.from + *plan.terms.question.every * row.tick);
  }
  json::array values;
  for (std::size_t i = 0; i < row.values.size(); ++i) {
    if (row.bins[i].empty()) {
      values.push_back(row.values[i] ? json::value(estimate_json(*row.values[i])) : nullptr);
      continue;
    }
    json::array bins;
    const auto& edges = plan.plan.items[i].edges;
    for (std::size_t b = 0; b < row.bins[i].size(); ++b) {
      json::object bin = estimate_json(row.bins[i][b]);
      bin["from"] = edges.at(b);
      bin["to"] = edges.at(b + 1);
      bins.push_back(std::move(bin));
    }
    values.push_back({{"value", nullptr}, {"bins", std::move(bins)}});
  }
  out["values"] = std::move(values);
  return out;
}

std::string state_of(const FollowedFeed& feed) {
  if (feed.complete()) return "complete";
  return feed.ended ? "ended" : "running";
}

json::object charge_json(const FeedPrice& price, const ExportView& view) {
  std::uint64_t most = 0;
  unsigned __int128 sum = 0;
  json::array blocks;
  for (const BlockAmount& charge : price.charges) {
    most = std::max(most, charge.rho.units);
    sum += charge.rho.units;
    const bool lifetime = charge.start == security::kLifetimeBlock;
    blocks.push_back({{"start", lifetime ? "lifetime" : to_text(charge.start)},
                      {"epsilon", shown_epsilon(charge.rho, view.delta)}});
  }
  return {{"epsilon", shown_epsilon({most}, view.delta)},
          {"rho", static_cast<std::uint64_t>(sum)},
          {"blocks", std::move(blocks)}};
}

json::array choices_json(const PlannedFeed& planned) {
  json::array out;
  for (const FeedChoice& choice : planned.choices) {
    json::object one{{"mechanism", to_text(choice.mechanism)},
                     {"chosen", choice.mechanism == planned.feed.terms.mechanism},
                     {"error95", nullptr}};
    if (choice.error95) one["error95"] = number_or_null(*choice.error95);
    if (!choice.error95) one["reason"] = choice.refused;
    out.push_back(std::move(one));
  }
  return out;
}

json::object terms_json(const FeedTerms& terms) {
  json::object out{{"kind", to_text(terms.kind)},
                   {"mechanism", to_text(terms.mechanism)},
                   {"export", terms.question.export_name},
                   {"over", to_text(terms.question.window.length())},
                   {"ticks", terms.ticks},
                   {"from", to_text(terms.question.window.from)}};
  if (terms.window_ticks > 0) out["window_ticks"] = terms.window_ticks;
  return out;
}

json::array items_json(const Plan& plan) {
  json::array items;
  for (const PlannedItem& item : plan.items) {
    items.push_back({{"label", item.label}, {"unit", item.unit}});
  }
  return items;
}

}  // namespace

json::object feed_preview_json(const PlannedFeed& planned, const AskTarget& target) {
  const FeedPlan& feed = planned.feed;
  json::object out = terms_json(feed.terms);
  out["organisation"] = target.partner.name;
  out["until"] = to_text(feed.price.ticks.back().to);
  out["first_due"] = to_text(due_at(feed.price, *target.view, 0));
  out["charge"] = charge_json(feed.price, *target.view);
  out["quota_epsilon"] = shown_epsilon(target.agreement->rho_per_block, target.view->delta);
  out["mechanisms"] = choices_json(planned);
  json::array expected;
  for (const ExpectedError& row : expected_feed_errors(feed, *target.view)) {
    for (std::size_t i = 0; i < row.half_width.size(); ++i) {
      expected.push_back({{"label", feed.plan.items[i].label},
                          {"group", json::value_from(row.group)},
                          {"total", row.total},
                          {"error95", number_or_null(row.half_width[i])}});
    }
  }
  out["expected"] = std::move(expected);
  return out;
}

json::object followed_json(const FollowedFeed& feed, const FeedTerms& terms,
                           const std::string& organisation) {
  json::object out = terms_json(terms);
  out["id"] = feed.id.hex();
  out["role"] = "followed";
  out["organisation"] = organisation;
  out["question"] = feed.question;
  out["released"] = feed.next;
  out["state"] = state_of(feed);
  out["code"] = feed.ended ? json::value(code_text(*feed.ended)) : json::value(nullptr);
  out["started"] = shown_time(feed.started);
  return out;
}

json::object given_json(const FeedRecord& record, const std::string& organisation) {
  json::object out;
  if (const auto terms = feed_terms_from_bytes(record.terms)) out = terms_json(*terms);
  out["id"] = record.id.hex();
  out["role"] = "given";
  out["organisation"] = organisation;
  out["question"] = "";
  out["released"] = record.next;
  out["state"] = record.next >= record.ticks ? "complete" : record.ended ? "ended" : "running";
  out["code"] = record.ended ? json::value(code_text(*record.ended)) : json::value(nullptr);
  out["started"] = shown_time(record.started);
  return out;
}

Result<json::object> series_json(const SeriesView& of, const std::vector<FollowedTick>& ticks) {
  std::vector<Release> releases;
  for (const FollowedTick& tick : ticks) {
    auto release = release_from_bytes(tick.release);
    if (!release) return make_error(ErrorCode::store_failed, release.error().what);
    releases.push_back(std::move(*release));
  }
  auto series = feed_series(of.plan, of.view, releases);
  if (!series) return std::move(series).error();
  json::array out;
  std::size_t late = 0, missing = 0;
  for (std::uint32_t t = 0; t < of.feed.ticks; ++t) {
    const TimeWindow window = of.plan.price.ticks[t];
    const Instant due = due_at(of.plan.price, of.view, t);
    json::object tick{{"sequence", t}, {"from", to_text(window.from)}, {"to", to_text(window.to)}};
    json::array rows;
    if (t < releases.size()) {
      for (const AnswerRow& row : (*series)[t]) rows.push_back(row_json(row, of.plan, window));
      tick["state"] = rows.empty() ? "filling" : "released";
      tick["released"] = shown_time(releases[t].released);
      tick["age_s"] = (ticks[t].received - window.to).seconds();
    } else if (due <= of.now) {
      tick["state"] = of.feed.ended ? "missing" : "late";
      ++(of.feed.ended ? missing : late);
    } else {
      tick["state"] = of.feed.ended ? "missing" : "waiting";
      missing += of.feed.ended ? 1 : 0;
    }
    tick["due"] = to_text(due);
    tick["rows"] = std::move(rows);
    const bool last = t >= releases.size() && due > of.now;
    out.push_back(std::move(tick));
    if (last) {
      missing += of.feed.ended ? of.feed.ticks - t - 1 : 0;
      break;
    }
  }
  json::object coverage{{"ticks", of.feed.ticks},
                        {"released", releases.size()},
                        {"late", late},
                        {"missing", missing}};
  return json::object{{"items", items_json(of.plan.plan)},
                      {"group_keys", json::value_from(of.plan.plan.group_keys)},
                      {"coverage", std::move(coverage)},
                      {"series", std::move(out)}};
}

}  // namespace entente::node
