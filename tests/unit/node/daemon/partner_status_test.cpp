#include "node/daemon/partner_status.h"

#include <doctest/doctest.h>

#include "federation/link/method_table.h"
#include "node/daemon/limits.h"

using namespace entente;
using namespace entente::node;

namespace {

constexpr Instant kHeard{1'750'000'000'000'000'000};

}  // namespace

TEST_SUITE("node/daemon/partner_status") {
  TEST_CASE(
      "status ages by the hour stated and to the nanosecond and never by a clock that is behind") {
    CHECK(partner_status(kHeard, kHeard) == PartnerStatus::fresh);
    CHECK(partner_status(kHeard, kHeard - days(400)) == PartnerStatus::fresh);
    const struct {
      Duration after;
      PartnerStatus before, then;
    } steps[] = {{hours(24), PartnerStatus::fresh, PartnerStatus::no_agreements},
                 {hours(72), PartnerStatus::no_agreements, PartnerStatus::no_questions},
                 {days(7), PartnerStatus::no_questions, PartnerStatus::status_only}};
    for (const auto& step : steps) {
      const Instant at = kHeard + step.after;
      CHECK(partner_status(kHeard, at - Duration{1}) == step.before);
      CHECK(partner_status(kHeard, at) == step.then);
      CHECK(next_step(kHeard, step.before) == at);
    }
    CHECK(partner_status(kHeard, kHeard + days(4000)) == PartnerStatus::status_only);
  }

  TEST_CASE("every method is refused from the step on that its verb says and never sooner") {
    // How many of the four steps allow it, in order.
    const auto steps = [](std::string_view verb) {
      int allowed = 0;
      for (const auto status : {PartnerStatus::fresh, PartnerStatus::no_agreements,
                                PartnerStatus::no_questions, PartnerStatus::status_only}) {
        const bool allows = status_allows(status, verb).has_value();
        if (!allows) CHECK(status_allows(status, verb).error().code == ErrorCode::stale);
        if (allows) CHECK(allowed == static_cast<int>(status));  // once refused, always refused
        allowed += allows;
      }
      return allowed;
    };
    for (const auto& row : federation::MethodTable::standard().rows()) {
      CAPTURE(row.name);
      const std::string_view verb = row.verb;
      const bool ending =
          verb == "agreement.terminate" || verb == "agreement.tell" || verb == "feed.cancel";
      const int expected = verb.starts_with("link.") || ending ? 4
                           : verb.starts_with("agreement.")    ? 1
                           : verb == "feed.pull"               ? 3
                                                               : 2;
      CHECK(steps(verb) == expected);
    }
    CHECK(steps("something.new") == 2);
    // The steps that an agreement's message tells.
    CHECK(steps("agreement.suspend") == 4);
    CHECK(steps("agreement.withdraw") == 4);
    CHECK(steps("agreement.counter") == 1);
    CHECK(steps("agreement.resume") == 1);
  }
}
