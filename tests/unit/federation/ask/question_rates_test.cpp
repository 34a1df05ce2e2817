#include "federation/ask/question_rates.h"

#include <doctest/doctest.h>

#include <deque>

#include "federation/ask/admission.h"
#include "tests/support/two_organisations.h"

using namespace entente;
using namespace entente::federation;
using namespace entente::test;

TEST_SUITE("federation/ask/question_rates") {
  TEST_CASE(
      "as many questions as agreed pass in an hour and the next one is told how long to wait") {
    TwoOrganisations both;
    both.agreement.questions_per_hour = 3;
    both.sign();
    const auto site = both.site();
    QuestionRates rates;
    for (int i = 0; i < 3; ++i) CHECK_FALSE(rates.take(*site, both.agreement_id, both.now));
    const auto wait = rates.take(*site, both.agreement_id, both.now + seconds(30));
    REQUIRE(wait);
    CHECK(*wait > minutes(59));
    CHECK(*wait <= minutes(61));
    CHECK(rates.take(*site, both.agreement_id, both.now + seconds(30) + *wait - seconds(1)));
    CHECK_FALSE(rates.take(*site, both.agreement_id, both.now + seconds(30) + *wait));
  }

  TEST_CASE("no hour and no day ever holds more than was agreed whatever the times") {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      TwoOrganisations both;
      both.agreement.questions_per_hour = 1 + static_cast<std::uint32_t>(random.below(6));
      both.agreement.questions_per_day = 4 + static_cast<std::uint32_t>(random.below(20));
      both.sign();
      const auto site = both.site();
      QuestionRates rates;
      std::deque<Instant> passed;
      Instant now = both.now;
      for (int i = 0; i < 600; ++i) {
        now = now + seconds(static_cast<std::int64_t>(random.below(1'200)));
        if (rates.take(*site, both.agreement_id, now)) continue;
        passed.push_back(now);
        std::size_t hour = 0, day = 0;
        for (const Instant at : passed) {
          hour += now - at < hours(1);
          day += now - at < days(1);
        }
        CHECK(hour <= both.agreement.questions_per_hour);
        CHECK(day <= both.agreement.questions_per_day);
      }
      CHECK(passed.size() > 10);
    }
  }

  TEST_CASE("what was counted before a restart counts after it and no limit counts nothing") {
    TwoOrganisations both;
    std::vector<Instant> written;
    QuestionRates unlimited([&](const AgreementId&, Instant minute) { written.push_back(minute); });
    CHECK_FALSE(unlimited.take(*both.site(), both.agreement_id, both.now));
    CHECK(written.empty());
    both.agreement.questions_per_day = 2;
    both.sign();
    QuestionRates first([&](const AgreementId&, Instant minute) { written.push_back(minute); });
    for (int i = 0; i < 2; ++i) CHECK_FALSE(first.take(*both.site(), both.agreement_id, both.now));
    REQUIRE(written.size() == 2);
    QuestionRates second;
    second.restore(both.agreement_id, written[0], 2);
    CHECK(second.take(*both.site(), both.agreement_id, both.now + hours(1)));
    CHECK_FALSE(second.take(*both.site(), both.agreement_id, both.now + hours(25)));
  }

  TEST_CASE("a question below the agreed granularity is refused and one at it is not") {
    TwoOrganisations both;
    const auto shape = [&](const char* text, Duration tick, Duration window) {
      Agreement terms = both.agreement;
      terms.tick_least = tick;
      terms.window_least = window;
      return check_shape(both.question(text), both.view, terms);
    };
    const char* day =
        "SELECT mean(pm25) FROM air GROUP BY state OVER '2015-08-23' .. '2015-08-24' "
        "WITH (epsilon = 1, purpose = 'planning')";
    const char* by_hour =
        "SELECT mean(pm25) FROM air GROUP BY state OVER '2015-08-23' .. '2015-08-24' EVERY 1h "
        "WITH (epsilon = 1, purpose = 'planning')";
    CHECK(shape(day, days(1), days(1)));
    CHECK(shape(by_hour, hours(1), days(1)));
    CHECK(shape(day, days(1), days(2)).error().code == ErrorCode::shape_refused);
    CHECK(shape(by_hour, hours(2), days(1)).error().code == ErrorCode::shape_refused);
    CHECK(shape(by_hour, Duration{}, Duration{}));
  }

  TEST_CASE("a suspended agreement and one that has not begun answer nothing") {
    TwoOrganisations both;
    const Bytes signed_bytes = both.signed_bytes(both.envelope(both.question(kMeanByState)));
    const auto admitted = [&](const SiteSnapshot& site) {
      auto outcome = admit(site, both.peer(), signed_bytes, both.now);
      return outcome ? std::optional<ErrorCode>() : std::optional(outcome.error().code);
    };
    CHECK_FALSE(admitted(*both.site()));
    auto waiting = both.site();
    waiting->suspended = std::exchange(waiting->agreements, {});
    CHECK(admitted(*waiting) == ErrorCode::agreement_missing);
    CHECK(is_suspended(*waiting, both.agreement_id, both.consumer));
    CHECK_FALSE(is_suspended(*waiting, both.agreement_id, both.random.id<OrgId>()));
    CHECK_FALSE(is_suspended(*both.site(), both.agreement_id, both.consumer));
    auto early = both.site();
    early->agreements.at(both.agreement_id).value.starts = both.now + hours(1);
    CHECK(admitted(*early) == ErrorCode::agreement_missing);
  }

  TEST_CASE("what a suspended agreement guarantees nobody else gets") {
    TwoOrganisations both;
    both.agreement.rho_guaranteed = {both.view.rho_cap.units / 2};
    both.sign();
    auto site = both.site();
    site->suspended = std::exchange(site->agreements, {});
    const auto kept = guaranteed_to_others(*site, "air", both.random.id<OrgId>());
    REQUIRE(kept.size() == 1);
    CHECK(kept[0].rho == both.agreement.rho_guaranteed);
  }
}
