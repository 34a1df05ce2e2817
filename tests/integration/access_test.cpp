// Users beside the administrator: roles, grants, tokens, and what the audit log says of them.
#include <doctest/doctest.h>

#include <boost/json/serialize.hpp>

#include "tests/integration/federation.h"

namespace entente::tests {
namespace {

namespace json = boost::json;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// The same command as the user of a token.
Finished as(const TestNode& node, const std::string& token, std::vector<std::string> words) {
  return node.run(std::move(words), {{"ENTENTE_TOKEN", token}});
}

std::string new_token(const TestNode& node, std::vector<std::string> words) {
  words.insert(words.begin(), {"access", "token", "add"});
  return text_at(node.json(words), "token");
}

}  // namespace

TEST_SUITE("integration/access") {
  TEST_CASE("a user does what roles and grants allow until they are taken away") {
    LoadedWorks one;
    const TestNode& works = one.works;
    works.json({"role", "grant", "eve", "auditor"});
    works.json({"role", "grant", "max", "operator"});
    const std::string eve = new_token(works, {"eve-laptop", "--user", "eve"});
    const std::string max = new_token(works, {"max-laptop", "--user", "max", "--for", "30d"});
    CHECK(as(works, max, {"twin", "list"}).exit_code == 0);
    const Finished refused = as(works, eve, {"twin", "list"});
    CHECK(refused.exit_code == 4);
    CHECK(contains(refused.words, "allows read_twins"));
    CHECK(contains(refused.words, "admin"));
    CHECK(as(works, eve, {"audit", "verify"}).exit_code == 0);
    CHECK(as(works, max, {"role", "grant", "max", "owner"}).exit_code == 4);

    // One twin, for a while, and none beside it.
    works.json({"access", "grant", "user:eve", "read_twins", "twin:meter-1", "--for", "1h"});
    CHECK(as(works, eve, {"twin", "show", "meter-1"}).exit_code == 0);
    CHECK(as(works, eve, {"twin", "show", "meter-2"}).exit_code == 4);
    CHECK(works.run({"access", "why", "eve", "read_twins", "twin:meter-1"}).exit_code == 0);
    CHECK(works.run({"access", "why", "eve", "read_twins", "twin:meter-2"}).exit_code == 4);
    works.json({"access", "revoke", "user:eve", "read_twins", "twin:meter-1"});
    CHECK(as(works, eve, {"twin", "show", "meter-1"}).exit_code == 4);

    // What was changed stays after a restart, and who did it stands in the log.
    REQUIRE(one.works.stop() == 0);
    REQUIRE(one.works.start());
    CHECK(as(works, max, {"twin", "list"}).exit_code == 0);
    const std::string log = json::serialize(works.json({"audit", "list", "--limit", "1000"}));
    CHECK(contains(log, "role.grant"));
    CHECK(contains(log, "user:admin"));
    CHECK_FALSE(contains(log, eve));

    works.json({"access", "token", "revoke", "max-laptop"});
    CHECK(as(works, max, {"twin", "list"}).exit_code == 4);
    works.json({"role", "revoke", "eve", "auditor"});
    CHECK(as(works, eve, {"audit", "verify"}).exit_code == 4);
    CHECK(works.run({"role", "revoke", "admin", "owner"}).exit_code == 7);
    CHECK(works.run({"twin", "list"}).exit_code == 0);
  }

  TEST_CASE("a token for one verb does nothing else and a dry run changes nothing") {
    LoadedWorks one;
    const std::string narrow =
        new_token(one.works, {"reader", "--only", "read_twins", "--for", "1h"});
    CHECK(as(one.works, narrow, {"twin", "list"}).exit_code == 0);
    CHECK(as(one.works, narrow, {"link", "list"}).exit_code == 4);
    CHECK(as(one.works, narrow, {"role", "grant", "eve", "owner"}).exit_code == 4);
    CHECK(as(one.works, "ent_nobody", {"twin", "list"}).exit_code == 4);
    one.works.json({"role", "grant", "eve", "auditor", "--dry-run"});
    CHECK_FALSE(contains(json::serialize(one.works.json({"role", "list"})), "eve"));
    CHECK(one.works.run({"role", "grant", "eve", "emperor"}).exit_code == 2);
    CHECK(one.works.run({"access", "token", "add", "reader"}).exit_code == 7);
    CHECK(one.works.run({"access", "token", "add", "x", "--for", "900d"}).exit_code == 2);
  }
}

}  // namespace entente::tests
