// Links over time: restarts, suspension, revocation, an impostor at a partner's address.
#include <doctest/doctest.h>

#include <boost/json/serialize.hpp>

#include "tests/integration/federation.h"

namespace entente::tests {
namespace {

namespace json = boost::json;

std::string agreement_state(const TestNode& node, const std::string& id) {
  return text_at(node.json({"agreement", "show", id}), "state");
}

std::string link_state(const TestNode& node, const std::string& partner) {
  const json::value link = listed_link(node, partner);
  return link.is_null() ? "" : text_at(link, "state");
}

// Refused without anything charged or released.
void check_refused(Pair& pair, int n) {
  const std::size_t releases = stored_releases(pair.works).size();
  const Finished asked = pair.office.run({"ask", question("mean(load)", "meters@works", n)});
  INFO(asked.words, asked.out);
  // 4 when the partner has learned first that its agreement has ended.
  CHECK((asked.exit_code == 6 || asked.exit_code == 4));
  CHECK_FALSE(asked.words.empty());
  CHECK(spent_rho(pair.works, n) == 0);
  CHECK(stored_releases(pair.works).size() == releases);
}

void until_cut(const TestNode& node, const std::string& partner) {
  until(node.name() + " has lost " + partner, [&] { return !is_connected(node, partner); });
}

}  // namespace

TEST_SUITE("integration/links") {
  TEST_CASE("after every node restarted, links come back and answers stay free and equal") {
    Pair pair;
    const std::string text = question("mean(load)", "meters@works", 1);
    const json::value first = pair.office.json({"ask", text});
    const std::uint64_t spent = spent_rho(pair.works, 1);
    CHECK(pair.works.stop() == 0);
    CHECK(pair.office.stop() == 0);
    REQUIRE(pair.works.start());
    REQUIRE(pair.office.start());
    until_connected(pair.works, pair.office);
    CHECK(agreement_state(pair.works, pair.agreement) == "active");
    CHECK(agreement_state(pair.office, pair.agreement) == "active");
    const json::value again = pair.office.json({"ask", text});
    CHECK(figures(again) == figures(first));
    CHECK(coverage_of(again, "works").at("reused").as_bool());
    CHECK(spent_rho(pair.works, 1) == spent);

    // Also when only the side that is dialled goes away for a while.
    CHECK(pair.office.stop() == 0);
    until_cut(pair.works, "office");
    REQUIRE(pair.office.start());
    until_connected(pair.works, pair.office);
    CHECK(figures(pair.office.json({"ask", text})) == figures(first));
  }

  TEST_CASE("a suspended link answers nothing until it is resumed, whoever suspended it") {
    Pair pair;
    const std::string text = question("mean(load)", "meters@works", 1);
    const json::value first = pair.office.json({"ask", text});
    struct Side {
      TestNode& node;
      TestNode& other;
    };
    for (const Side& side : {Side{pair.works, pair.office}, Side{pair.office, pair.works}}) {
      CAPTURE(side.node.name());
      side.node.json({"link", "suspend", side.other.name(), "--yes"});
      check_refused(pair, 2);
      CHECK(link_state(side.node, side.other.name()) == "suspended");
      CHECK_FALSE(is_connected(side.node, side.other.name()));
      until_cut(side.other, side.node.name());
      side.node.json({"link", "resume", side.other.name()});
      until_connected(pair.works, pair.office);
      CHECK(figures(pair.office.json({"ask", text})) == figures(first));
    }
  }

  TEST_CASE("a revoked link is closed at once and stays closed over a restart") {
    Pair pair;
    pair.office.json({"ask", question("mean(load)", "meters@works", 1)});
    pair.works.json({"link", "revoke", "office", "--yes"});
    check_refused(pair, 2);
    CHECK(link_state(pair.works, "office") == "revoked");
    until_cut(pair.office, "works");
    CHECK(pair.works.stop() == 0);
    REQUIRE(pair.works.start());
    check_refused(pair, 2);
    CHECK(link_state(pair.works, "office") == "revoked");
    CHECK(pair.works.run({"link", "resume", "office"}).exit_code == 7);
    // What it carried has ended with it: a link made anew would grant nothing.
    const json::value agreements = pair.works.json({"agreement", "list"});
    for (const json::value& one : agreements.at("items").as_array()) {
      CHECK(text_at(one, "state") == "terminated");
    }
  }

  TEST_CASE("an impostor at a partner's address and of its name is refused") {
    // Office dials works here, so that it is office who meets the impostor.
    Strangers both;
    auto& [folder, files, works, office] = both;
    load(works, files);
    link_nodes(works, office);
    agree(works, office, files.agreement);
    const std::string text = question("mean(load)", "meters@works", 1);
    const json::value first = office.json({"ask", text});
    CHECK(works.stop() == 0);

    TemporaryFolder elsewhere;
    TestNode impostor("works", elsewhere.path());
    init_provider(impostor, files);
    REQUIRE(impostor.start({{}, {"--federation-port", std::to_string(works.federation_port())}}));
    REQUIRE(impostor.federation_port() == works.federation_port());
    load(impostor, files);
    until("office has met the impostor", [&] {
      const json::value link = listed_link(office, "works");
      return text_at(link, "last_error").find("certificate") != std::string::npos ||
             text_at(link, "last_error").find("organisation") != std::string::npos;
    });
    CHECK_FALSE(is_connected(office, "works"));
    const Finished asked = office.run({"ask", text});
    CHECK(asked.exit_code == 6);
    CHECK(asked.json().as_object().if_contains("rows") == nullptr);
    CHECK(stored_releases(impostor).empty());

    // The true partner is welcome at the same place.
    CHECK(impostor.stop() == 0);
    REQUIRE(works.start());
    until_connected(office, works);
    CHECK(figures(office.json({"ask", text})) == figures(first));
  }
}

}  // namespace entente::tests
