#include "federation/audit/synthetic_site.h"

#include <algorithm>
#include <limits>

#include "federation/query/fold.h"
#include "federation/query/parser.h"
#include "federation/query/plan.h"
#include "schemas/base/check.h"
#include "security/privacy/rho.h"

namespace entente::federation {
namespace {

constexpr std::uint32_t kSouth = 14, kNorth = 20;
constexpr int kHours = 48;
constexpr double kUpper = 100;  // of a load, in kilowatts
const Instant kBegin = *parse_instant("2025-03-01T00:00:00Z");

}  // namespace

SyntheticSite::SyntheticSite(Random& random) {
  view_.name = "meters";
  view_.site = "audit";
  view_.domain = "load";
  view_.type = "dtmi:org:entente:audit:Meter;1";
  view_.keys = {"district"};
  view_.cells = {{{"north"}, kNorth}, {{"south"}, kSouth}};
  view_.measures = {{"load", "kW", Reducer::mean, {{Reducer::mean, 0, kUpper}}}};
  view_.delta = *security::delta_of(1e-6);
  view_.rho_cap = *security::rho_cap_of(8, view_.delta);
  for (std::uint32_t i = 0; i < kSouth + kNorth; ++i) {
    SyntheticMeter meter{i < kSouth ? 1u : 0u, {}};
    for (int hour = 0; hour < kHours; ++hour) {
      const double drawn = kUpper * static_cast<double>(random.u64() >> 11) * 0x1p-53;
      meter.loads.push_back(i == 0 ? 0 : drawn);
    }
    meters_.push_back(std::move(meter));
  }
}

SyntheticMeters SyntheticSite::meters_outlying() const {
  SyntheticMeters meters = meters_;
  std::fill(meters.front().loads.begin(), meters.front().loads.end(), 1e12);
  return meters;
}

SyntheticMeters SyntheticSite::without_first() const {
  return {meters_.begin() + 1, meters_.end()};
}

SyntheticMeters SyntheticSite::without_first_day() const {
  SyntheticMeters meters = meters_;
  std::fill_n(meters.front().loads.begin(), kHours / 2, std::numeric_limits<double>::quiet_NaN());
  return meters;
}

TimeWindow SyntheticSite::first_day() {
  return {kBegin, kBegin + days(1)};
}

Result<SyntheticSite::Asked> SyntheticSite::ask(const std::string& items, const std::string& where,
                                                TimeWindow window,
                                                const std::string& epsilon) const {
  Asked asked;
  asked.sentence = "SELECT " + items + " FROM meters" + (where.empty() ? "" : " WHERE " + where) +
                   " OVER '" + to_text(window.from) + "' .. '" + to_text(window.to) +
                   "' WITH (epsilon = " + epsilon + ")";
  auto sentence = parse_question(asked.sentence);
  if (!sentence) return std::move(sentence).error();
  const MemberView member{&view_, "audit"};
  PlanOptions options;
  options.now = kBegin + days(30);
  auto planned = plan(*sentence, {&member, 1}, options);
  if (!planned) return std::move(planned).error();
  asked.question = *planned->members.at(0).question;
  if (auto fits = check_question(asked.question, view_, options.now); !fits) {
    return std::move(fits).error();
  }
  auto price = price_of(asked.question, view_);
  if (!price) return std::move(price).error();
  asked.price = std::move(*price);
  return asked;
}

FoldedTable SyntheticSite::fold(const Question& question, const SyntheticMeters& meters) {
  FoldedTable table{question.tick_count(), question.columns.size(), {}};
  for (const SyntheticMeter& meter : meters) {
    FoldedUnit unit{meter.cell, {}};
    for (std::size_t tick = 0; tick < table.ticks; ++tick) {
      for (const Column& column : question.columns) {
        Fold fold(column, question.tick(tick));
        for (std::size_t hour = 0; hour < meter.loads.size(); ++hour) {
          fold.add(kBegin + hours(static_cast<std::int64_t>(hour)), meter.loads[hour]);
        }
        unit.values.push_back(fold.value());
      }
    }
    table.units.push_back(std::move(unit));
  }
  return table;
}

ExactVectors SyntheticSite::sums(const Asked& asked, const SyntheticMeters& meters) const {
  auto sums = aggregate(asked.question, view_, asked.price, fold(asked.question, meters));
  ENTENTE_CHECK(sums.has_value());
  return std::move(*sums);
}

}  // namespace entente::federation
