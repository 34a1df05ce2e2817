// Previews as the API gives them, of a node whose readings nobody may touch and whose partners
// nobody may ask.
#include "node/daemon/preview.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>

#include <atomic>
#include <stdexcept>

#include "federation/ask/composition.h"
#include "federation/link/loop.h"
#include "node/daemon/ask_service.h"
#include "node/store/answer_shelf.h"
#include "security/privacy/rho.h"
#include "tests/support/two_organisations.h"
#include "tests/unit/node/temporary_folder.h"

using namespace entente;
using namespace entente::federation;
using namespace entente::node;
namespace json = boost::json;

namespace {

class Untouchable final : public TwinSource {
 public:
  Result<FoldedTable> fold(const FoldRequest&) const override {
    ++touched;
    throw std::runtime_error("a preview touched readings");
  }
  mutable std::atomic<int> touched{0};
};

class NoReceipts final : public ReceiptBook {
 public:
  Bytes newest(const OrgId&, const std::string&) const override { return {}; }
  void keep(const LedgerReceipt&, Bytes) override {}
};

// The consumer's node.
struct Office {
  entente::test::TwoOrganisations both;
  ManualClock clock{both.now};
  node::test::TemporaryFolder folder;
  Loop loop;
  Workers workers{1};
  std::unique_ptr<Store> store;
  std::unique_ptr<AnswerShelf> shelf;
  NoReceipts receipts;
  Untouchable twins;
  Declarations declarations;
  std::shared_ptr<SiteSnapshot> site = std::make_shared<SiteSnapshot>();
  std::unique_ptr<Asker> asker;
  std::unique_ptr<AskService> service;
  int sent = 0;

  Office() {
    Store::Options options;
    options.path = folder / "entente.db";
    options.migrations = {AnswerShelf::migration(), AnswerShelf::delta_migration()};
    options.deliver = [this](std::function<void()> work) { loop.post(std::move(work)); };
    auto opened = Store::open(std::move(options));
    REQUIRE(opened);
    store = std::move(*opened);
    shelf = std::make_unique<AnswerShelf>(*store);
    ExportView& view = both.view;
    view.measures = {{"load", "kWh", Reducer::sum, {{Reducer::sum, 0, 30}}},
                     {"pm25", "ug/m3", Reducer::mean, {{Reducer::mean, 0, 200}}}};
    view.rho_cap = *security::rho_cap_of(8, view.delta);
    both.agreement.exports = {view};
    both.agreement.rho_per_block = *security::rho_cap_of(4, view.delta);
    both.agreement.rho_guaranteed = *security::rho_cap_of(2, view.delta);
    both.sign();
    site->self = both.consumer;
    site->self_name = "office";
    site->site = "main";
    KnownPartner partner;
    partner.organisation = both.provider;
    partner.name = "washington";
    site->partners.emplace(both.provider, partner);
    site->agreements.emplace(both.agreement_id, ActiveAgreement{both.agreement_id, both.agreement});
    ExportView own = view;
    own.name = "own";
    site->exports["own"] = std::make_shared<const ExportView>(own);
    const SnapshotSource source = [this] { return site; };
    asker = std::make_unique<Asker>(
        Asker::Parts{loop, clock, both.random, both.envelope_key, source,
                     [this](const OrgId&, Bytes) -> kj::Promise<MemberReply> {
                       ++sent;
                       return MemberReply(Refusal{});
                     },
                     receipts, shelf.get()});
    service = std::make_unique<AskService>(
        AskService::Parts{loop, workers, clock, *asker, twins, *shelf,
                          [] { return std::make_shared<const TwinGraph>(); }, source,
                          [] { return std::make_shared<const SystemTwins>(); }, 0.5, seconds(5)});
  }
  ~Office() {
    workers.stop();
    settle();
    CHECK(twins.touched == 0);
    CHECK(sent == 0);
  }

  void settle() {
    REQUIRE(store->run<int>([](Database&) -> Result<int> { return 0; }));
    loop.run(loop.after(milliseconds(1)));
  }

  Result<json::value> try_preview(const std::vector<std::string>& questions, bool fresh = false) {
    std::vector<AskRequest> requests;
    for (const std::string& question : questions) {
      requests.push_back({question, {}, {}, fresh});
    }
    auto out = std::make_shared<std::optional<Result<json::value>>>();
    loop.run(service->preview(std::move(requests)).then([out](Result<json::value> done) {
      out->emplace(std::move(done));
    }));
    return std::move(**out);
  }
  json::value preview(const std::vector<std::string>& questions, bool fresh = false) {
    auto got = try_preview(questions, fresh);
    if (!got) FAIL(got.error().text());
    return *got;
  }

  // As if the site had answered, with so much left.
  void answered(const std::string& text, RhoUnits left, std::uint32_t revision = 0,
                bool composed = false, DeltaUnits delta_left = {}) {
    HeldAnswer held;
    held.organisation = both.provider;
    held.site = "main";
    held.domain = both.view.domain;
    held.question = both.question(text);
    held.revision = revision;
    held.composed = composed;
    const auto price = price_of(held.question, both.view);
    for (const BlockAmount& charge : price->charges) {
      held.left.push_back({charge.start, left});
    }
    held.delta_left = delta_left;
    held.issued = both.now;
    shelf->keep(std::move(held));
    settle();
  }
};

std::string loads(const std::string& over, const std::string& epsilon = "0.5") {
  return "SELECT sum(sum(load)) FROM air@washington GROUP BY state OVER " + over +
         " WITH (epsilon = " + epsilon + ")";
}
std::string means(const std::string& epsilon = "0.5") {
  return "SELECT mean(pm25) FROM air@washington GROUP BY state OVER '2025-12-30' .. '2025-12-31' "
         "WITH (epsilon = " +
         epsilon + ")";
}
const std::string kDay = "'2025-12-30' .. '2025-12-31'";

// As the site calls it: the export without the partner's name.
std::string at_site(std::string text) {
  const std::string name = "@washington";
  return text.erase(text.find(name), name.size());
}

double epsilon_of_total(const json::value& preview) {
  return preview.at("charge").at(0).at("epsilon").to_number<double>();
}
std::string free_of(const json::value& preview, std::size_t question) {
  const json::value& free = preview.at("questions").at(question).at("charge").at(0).at("free");
  return free.is_null() ? "" : std::string(free.get_string());
}

}  // namespace

TEST_SUITE("daemon/preview") {
  TEST_CASE(
      "a preview of one question says charge and rest and minimum and how many more until when") {
    Office office;
    const json::value preview = office.preview({means()});
    const json::value& charge = preview.at("charge").at(0);
    CHECK(charge.at("organisation") == "washington");
    CHECK(epsilon_of_total(preview) == doctest::Approx(0.5).epsilon(1e-4));
    CHECK(charge.at("quota_epsilon").to_number<double>() == doctest::Approx(4).epsilon(1e-4));
    CHECK(charge.at("guaranteed_epsilon").to_number<double>() == doctest::Approx(2).epsilon(1e-4));
    // rho of 4 over rho of 0.5, less the one that is previewed.
    const auto four = security::rho_cap_of(4, office.both.view.delta)->units;
    const auto half = security::rho_cap_of(0.5, office.both.view.delta)->units;
    CHECK(charge.at("more").to_number<std::uint64_t>() == four / half - 1);
    CHECK(charge.at("enough").as_bool());
    // The day's block ends on the 31st; a window of a day lies behind it from the 1st on.
    CHECK(charge.at("until") == "2026-01-01T00:00:00Z");
    CHECK(preview.at("expected").as_array().size() == 1);
    CHECK(preview.at("expected").at(0).at("error95").to_number<double>() > 0);
    const double right = preview.at("odds").at("right_at_most").to_number<double>();
    CHECK(right > 0.5);
    CHECK(right < 0.54);  // far below e^0.5 / (1 + e^0.5), which is 0.62
    CHECK(std::string(preview.at("odds").at("text").get_string()).find("53:47") !=
          std::string::npos);
  }

  TEST_CASE("a batch is charged as the ledger books it and what coincides counts once") {
    Office office;
    const json::value batch = office.preview({means(), means("0.3"), means()});
    const DeltaUnits delta = office.both.view.delta;
    const RhoUnits sum{security::rho_cap_of(0.5, delta)->units +
                       security::rho_cap_of(0.3, delta)->units};
    CHECK(epsilon_of_total(batch) ==
          doctest::Approx(security::epsilon_of(sum, delta)).epsilon(1e-6));
    CHECK(epsilon_of_total(batch) < 0.8);  // epsilons are not added
    CHECK(free_of(batch, 0).empty());
    CHECK(free_of(batch, 1).empty());
    CHECK(free_of(batch, 2) == "the same as question 1");
    CHECK(batch.at("expected").as_array().size() == 3);
    CHECK(batch.at("expected").at(1).at("question") == 2);
    const auto wrong = office.try_preview({means(), "SELECT nothing"});
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().what.starts_with("question 2: "));
  }

  TEST_CASE("what was answered before is free until its next revision") {
    Office office;
    office.both.view.revisions = {days(2)};
    office.both.agreement.exports = {office.both.view};
    office.site->agreements.begin()->second.value = office.both.agreement;
    CHECK(free_of(office.preview({means()}), 0).empty());
    office.answered(at_site(means()), {1});
    const json::value again = office.preview({means()});
    CHECK(free_of(again, 0) == "answered before");
    CHECK(epsilon_of_total(again) == 0);
    CHECK(again.at("odds").is_null());
    office.clock.advance(days(1));  // two days after the window's end
    CHECK(free_of(office.preview({means()}), 0).empty());
  }

  TEST_CASE("sums are free that earlier answers or those before them in the batch add up to") {
    Office office;
    const std::string hours = loads(kDay + " EVERY 1h");
    const json::value batch = office.preview({hours, loads(kDay)});
    CHECK(free_of(batch, 0).empty());
    CHECK(free_of(batch, 1) == "earlier answers add up to it");
    CHECK(epsilon_of_total(batch) == doctest::Approx(0.5).epsilon(1e-4));
    // In the other order the day is paid for, and the hours are not made of it.
    CHECK(epsilon_of_total(office.preview({loads(kDay), hours})) > 0.6);
    CHECK(epsilon_of_total(office.preview({hours, loads(kDay)}, true)) > 0.6);  // fresh
    office.answered(at_site(hours), {1});
    CHECK(free_of(office.preview({loads(kDay)}), 0) == "earlier answers add up to it");
    CHECK(free_of(office.preview({loads(kDay)}, true), 0).empty());
    // What was added up before is free as it is, and fresh it is not.
    office.answered(at_site(loads(kDay)), {1}, 0, true);
    CHECK(free_of(office.preview({loads(kDay)}), 0) == "answered before");
    CHECK(free_of(office.preview({loads(kDay)}, true), 0).empty());
  }

  TEST_CASE("more is charged than is left is said and own twins cost nothing") {
    Office office;
    office.answered(at_site(means("0.3")), {1000});
    const json::value preview = office.preview({means()});
    const json::value& charge = preview.at("charge").at(0);
    CHECK_FALSE(charge.at("enough").as_bool());
    CHECK(charge.at("more") == 0);
    CHECK(charge.at("left_epsilon").to_number<double>() < 0.01);
    const json::value own =
        office.preview({"SELECT mean(pm25) FROM own OVER '2025-12-30' .. '2025-12-31'", means()});
    CHECK(own.at("questions").at(0).at("charge").as_array().empty());
    CHECK(epsilon_of_total(own) == doctest::Approx(0.5).epsilon(1e-4));
  }

  TEST_CASE("delta that is left is what the site said last and not known before that") {
    Office office;
    const DeltaUnits once = *security::delta_of(1e-8);
    ExportView& view = office.both.view;
    view.threshold_delta = {once.units * 3};
    view.private_keys = {"owner"};
    view.private_delta = once;
    view.private_min_units = 10;
    office.both.agreement.exports = {view};
    office.site->agreements.begin()->second.value = office.both.agreement;
    const auto by_owner = [](const char* epsilon) {
      return std::string("SELECT mean(pm25) FROM air@washington GROUP BY owner OVER ") + kDay +
             " WITH (epsilon = " + epsilon + ")";
    };
    const auto noted = [](const json::value& preview, std::string_view words) {
      for (const json::value& note : preview.at("notes").as_array()) {
        if (std::string_view(note.get_string()).find(words) != std::string_view::npos) return true;
      }
      return false;
    };
    const auto charge_of = [&](const std::vector<std::string>& questions) {
      return office.preview(questions).at("charge").at(0);
    };
    const json::value before = office.preview({by_owner("0.1")});
    const json::value& unknown = before.at("charge").at(0);
    CHECK(unknown.at("delta").to_number<double>() == doctest::Approx(1e-8));
    CHECK(unknown.at("left_delta").is_null());
    CHECK(unknown.at("enough").as_bool());
    CHECK(unknown.at("more") == 2);
    CHECK(noted(before, "has not said yet how much delta is left"));
    // Four of them are more than the export allows, which is known without being told.
    CHECK_FALSE(charge_of({by_owner("0.1"), by_owner("0.11"), by_owner("0.12"), by_owner("0.13")})
                    .at("enough")
                    .as_bool());

    office.answered(at_site(by_owner("0.2")), view.rho_cap, 0, false, once);
    const json::value after = office.preview({by_owner("0.1")});
    const json::value& told = after.at("charge").at(0);
    CHECK(told.at("left_delta").to_number<double>() == doctest::Approx(1e-8));
    CHECK(told.at("left_delta_after").to_number<double>() == doctest::Approx(0));
    CHECK(told.at("enough").as_bool());
    CHECK(told.at("more") == 0);
    CHECK_FALSE(noted(after, "has not said yet"));
    const json::value two = charge_of({by_owner("0.1"), by_owner("0.11")});
    CHECK(two.at("delta").to_number<double>() == doctest::Approx(2e-8));
    CHECK_FALSE(two.at("enough").as_bool());
    // Public keys spend none of it.
    CHECK(charge_of({means()}).at("enough").as_bool());
    CHECK_FALSE(charge_of({means()}).as_object().contains("left_delta"));
  }

  TEST_CASE("what the agreement does not allow is said before it is asked") {
    Office office;
    const json::value preview = office.preview({means("5")});  // of 4 for a whole block
    bool said = false;
    for (const json::value& note : preview.at("notes").as_array()) {
      const std::string_view text = note.get_string();
      said = said || (text.starts_with("washington will refuse it: epsilon 5") &&
                      text.find("above 4") != std::string_view::npos);
    }
    CHECK(said);
  }
}
