#include "federation/ask/question_rates.h"

#include <algorithm>

namespace entente::federation {
namespace {

constexpr std::int64_t kHour = 60, kDay = 24 * kHour;  // in minutes

std::int64_t minute_of(Instant at) {
  const std::int64_t length = minutes(1).ns;
  return at.ns / length - (at.ns % length < 0 ? 1 : 0);
}

Instant begin_of(std::int64_t minute) {
  return {minute * minutes(1).ns};
}

}  // namespace

std::optional<Duration> QuestionRates::take(const SiteSnapshot& site, const AgreementId& id,
                                            Instant now) {
  const auto agreement = site.agreements.find(id);
  if (agreement == site.agreements.end()) return {};
  const Agreement& terms = agreement->second.value;
  if (terms.questions_per_hour == 0 && terms.questions_per_day == 0) return {};
  Minutes& asked = asked_[id];
  const std::int64_t minute = minute_of(now);
  asked.erase(asked.begin(), asked.lower_bound(minute - kDay));
  // The least wait after which the questions of the last `span` minutes leave room for one.
  const auto wait = [&](std::int64_t span, std::uint32_t most) -> Duration {
    if (most == 0) return {};
    std::uint64_t sum = 0;
    const auto first = asked.lower_bound(minute - span);
    for (auto at = first; at != asked.end(); ++at) sum += at->second;
    for (auto at = first; at != asked.end() && sum >= most; ++at) {
      sum -= at->second;
      if (sum < most) return begin_of(at->first + span + 1) - now;
    }
    return {};
  };
  const Duration needed =
      std::max(wait(kHour, terms.questions_per_hour), wait(kDay, terms.questions_per_day));
  if (needed.ns > 0) return needed;
  ++asked[minute];
  if (counted_) counted_(id, begin_of(minute));
  return {};
}

void QuestionRates::restore(const AgreementId& id, Instant minute, std::uint32_t questions) {
  asked_[id][minute_of(minute)] += questions;
}

}  // namespace entente::federation
