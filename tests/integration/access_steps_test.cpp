// Steps that need two persons, passwords, signed tokens, break-glass, and grants on what a question
// names, against real nodes.
#include <cjose/cjose.h>
#include <doctest/doctest.h>

#include <boost/json.hpp>

#include <chrono>
#include <fstream>

#include "tests/integration/federation.h"

namespace entente::tests {
namespace {

namespace json = boost::json;

const std::string kPassword = "a sentence nobody guesses";

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

Finished as(const TestNode& node, const std::string& token, std::vector<std::string> words) {
  return node.run(std::move(words), {{"ENTENTE_TOKEN", token}});
}

std::string new_token(const TestNode& node, const std::string& user) {
  return text_at(node.json({"access", "token", "add", user + "-laptop", "--user", user}), "token");
}

std::string audit_text(const TestNode& node) {
  return json::serialize(node.json({"audit", "list", "--limit", "1000"}));
}

std::string file_text(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The request that waits; fails the test unless there is exactly one.
std::string waiting_id(const TestNode& node) {
  std::string id;
  const json::value listed = node.json({"approval", "list"});
  for (const auto& one : listed.at("items").as_array()) {
    if (text_at(one, "state") != "waiting") continue;
    CHECK(id.empty());
    id = text_at(one, "id");
  }
  REQUIRE_FALSE(id.empty());
  return id;
}

HttpAnswer post(const TestNode& node, const std::string& target, const std::string& token,
                const json::object& body) {
  return http_call(node, "POST", target, token, json::serialize(body));
}

std::string login(const TestNode& node, const std::string& user, const std::string& password) {
  const HttpAnswer answer =
      post(node, "/api/v1/login", "", {{"user", user}, {"password", password}});
  if (answer.status != 200) return "";
  return text_at(json::parse(answer.body), "token");
}

bool has_user(const TestNode& node, const std::string& name) {
  return contains(json::serialize(node.json({"role", "list"}).at("users")), "\"" + name + "\"");
}

}  // namespace

TEST_SUITE("integration/access steps") {
  TEST_CASE("a step for two waits for somebody else and then runs once as it was asked for") {
    LoadedWorks one;
    TestNode& works = one.works;
    // One person alone could lock the step.
    CHECK(works.run({"approval", "require", "change_roles"}).exit_code == 7);
    works.json({"role", "grant", "max", "owner"});
    const std::string max = new_token(works, "max");
    works.json({"approval", "require", "change_roles"});

    const Finished asked = works.run({"role", "grant", "eve", "analyst"});
    CHECK(asked.exit_code == 7);
    CHECK(contains(asked.words, "two persons"));
    CHECK_FALSE(has_user(works, "eve"));
    const std::string id = waiting_id(works);
    // Asked for again it is the same request, and a dry run makes none.
    CHECK(works.run({"role", "grant", "eve", "analyst"}).exit_code == 7);
    CHECK(works.run({"role", "grant", "kim", "analyst", "--dry-run"}).exit_code == 0);
    CHECK(waiting_id(works) == id);

    CHECK(works.run({"approval", "approve", id, "--yes"}).exit_code == 4);
    const std::string target = "/api/v1/approvals/" + id + "/approve";
    CHECK(post(works, target, max, {{"hash", std::string(64, '0')}}).status == 409);
    CHECK(post(works, target, max, {}).status == 400);
    CHECK_FALSE(has_user(works, "eve"));

    // It waits over a restart.
    REQUIRE(works.stop() == 0);
    REQUIRE(works.start());
    CHECK(as(works, max, {"approval", "approve", id, "--yes"}).exit_code == 0);
    CHECK(has_user(works, "eve"));
    CHECK(as(works, max, {"approval", "approve", id, "--yes"}).exit_code == 7);
    CHECK(works.run({"approval", "reject", id}).exit_code == 7);

    // Whoever may not do the step may not approve it.
    works.json({"access", "token", "list"});
    CHECK(works.run({"role", "grant", "kim", "analyst"}).exit_code == 7);
    const std::string eve = new_token(works, "eve");
    CHECK(as(works, eve, {"approval", "approve", waiting_id(works), "--yes"}).exit_code == 4);
    CHECK(works.run({"approval", "reject", waiting_id(works)}).exit_code == 0);
    CHECK_FALSE(has_user(works, "kim"));

    // What ends it needs two itself.
    CHECK(works.run({"approval", "waive", "change_roles"}).exit_code == 7);
    CHECK(as(works, max, {"approval", "approve", waiting_id(works), "--yes"}).exit_code == 0);
    CHECK(works.run({"role", "grant", "kim", "analyst"}).exit_code == 0);

    const std::string log = audit_text(works);
    for (const char* action : {"approval.request", "approval.approve", "approval.end",
                               "approval.reject", "two-person.require", "two-person.waive"}) {
      CAPTURE(action);
      CHECK(contains(log, action));
    }
    CHECK(works.run({"audit", "verify"}).exit_code == 0);
  }

  TEST_CASE("a request whose requester may not any more is not run") {
    LoadedWorks one;
    const TestNode& works = one.works;
    works.json({"role", "grant", "max", "owner"});
    const std::string max = new_token(works, "max");
    works.json({"approval", "require", "change_roles"});
    CHECK(as(works, max, {"role", "grant", "eve", "analyst"}).exit_code == 7);
    works.json({"role", "revoke", "max", "owner"});
    CHECK(works.run({"approval", "approve", waiting_id(works), "--yes"}).exit_code == 4);
    CHECK_FALSE(has_user(works, "eve"));
  }

  TEST_CASE("a user logs in with a password until they are disabled or gone") {
    LoadedWorks one;
    const TestNode& works = one.works;
    works.json({"role", "grant", "eve", "operator"});
    CHECK(login(works, "eve", kPassword).empty());
    const std::string set = "/api/v1/access/users/eve/password";
    CHECK(post(works, set, works.token(), {{"password", "short"}}).status == 400);
    CHECK(post(works, set, works.token(), {{"password", kPassword}}).status == 200);
    const std::string eve = login(works, "eve", kPassword);
    REQUIRE_FALSE(eve.empty());
    CHECK(as(works, eve, {"twin", "list"}).exit_code == 0);
    CHECK(as(works, eve, {"role", "grant", "kim", "operator"}).exit_code == 4);
    CHECK(login(works, "eve", kPassword + "?").empty());
    const HttpAnswer wrong = post(works, "/api/v1/login", "", {{"user", "eve"}, {"password", "?"}});
    const HttpAnswer nobody =
        post(works, "/api/v1/login", "", {{"user", "nobody"}, {"password", "?"}});
    CHECK(wrong.status == 401);
    CHECK(nobody.status == 401);
    CHECK(text_at(json::parse(wrong.body), "detail") ==
          text_at(json::parse(nobody.body), "detail"));

    works.json({"user", "disable", "eve"});
    CHECK(as(works, eve, {"twin", "list"}).exit_code == 4);
    CHECK(login(works, "eve", kPassword).empty());
    works.json({"user", "enable", "eve"});
    CHECK(as(works, eve, {"twin", "list"}).exit_code == 0);
    // A user who is gone and made anew starts without it.
    works.json({"role", "revoke", "eve", "operator"});
    works.json({"role", "grant", "eve", "operator"});
    CHECK(login(works, "eve", kPassword).empty());
    CHECK_FALSE(contains(audit_text(works), kPassword));
  }

  TEST_CASE("the last owner who can log in stays whatever is tried") {
    LoadedWorks one;
    const TestNode& works = one.works;
    CHECK(works.run({"user", "disable", "admin"}).exit_code == 7);
    CHECK(works.run({"role", "grant", "admin", "owner", "--for", "1h"}).exit_code == 7);
    works.json({"role", "grant", "max", "owner"});
    // An owner, but one without a password.
    CHECK(works.run({"role", "revoke", "admin", "owner"}).exit_code == 7);
    CHECK(works.run({"user", "disable", "admin"}).exit_code == 7);
    CHECK(post(works, "/api/v1/access/users/max/password", works.token(), {{"password", kPassword}})
              .status == 200);
    CHECK(works.run({"user", "disable", "admin"}).exit_code == 0);
    CHECK(works.run({"twin", "list"}).exit_code == 4);
    const std::string max = login(works, "max", kPassword);
    CHECK(as(works, max, {"user", "enable", "admin"}).exit_code == 0);
    CHECK(works.run({"twin", "list"}).exit_code == 0);
  }

  TEST_CASE("break-glass cuts and restores and never reads and is told until acknowledged") {
    LoadedWorks one;
    const TestNode& works = one.works;
    const std::string secret = file_text(works.home() / "break-glass.secret");
    REQUIRE_FALSE(secret.empty());
    works.json({"role", "grant", "eve", "operator"});
    works.json({"role", "grant", "kim", "operator"});
    const std::string eve = new_token(works, "eve");
    for (const std::vector<std::string>& words :
         std::vector<std::vector<std::string>>{{"twin", "list"},
                                               {"budget", "show"},
                                               {"role", "grant", "thief", "owner"},
                                               {"link", "invite", "thief"},
                                               {"audit", "list"},
                                               {"access", "acknowledge"},
                                               {"user", "enable", "eve"},
                                               {"user", "disable", "admin"}}) {
      CAPTURE(words[0] + " " + words[1]);
      CHECK(as(works, secret, words).exit_code != 0);
    }
    CHECK(as(works, secret, {"status"}).exit_code == 0);
    CHECK(as(works, secret, {"link", "list"}).exit_code == 0);
    CHECK(as(works, secret, {"user", "disable", "eve"}).exit_code == 0);
    CHECK(as(works, eve, {"twin", "list"}).exit_code == 4);
    CHECK(as(works, secret, {"policy", "restore", "2", "--yes"}).exit_code == 0);
    CHECK_FALSE(has_user(works, "kim"));
    CHECK(as(works, eve, {"twin", "list"}).exit_code == 0);
    CHECK(contains(json::serialize(works.json({"status"})), "restorePolicy"));
    CHECK(contains(audit_text(works), "break-glass.use"));
    works.json({"access", "acknowledge"});
    CHECK_FALSE(contains(json::serialize(works.json({"status"})), "restorePolicy"));
    CHECK(works.run({"access", "acknowledge"}).exit_code == 3);
  }

  TEST_CASE("a grant on an export lets a user ask about it and nothing beside it") {
    LoadedWorks one;
    const TestNode& works = one.works;
    works.json({"role", "grant", "eve", "service"});
    const std::string eve = new_token(works, "eve");
    const std::vector<std::string> words = {"ask", question("mean(load)", "meters", 1), "--yes"};
    CHECK(as(works, eve, words).exit_code == 4);
    works.json({"access", "grant", "user:eve", "ask", "export:meters", "--for", "1h"});
    CHECK(as(works, eve, words).exit_code == 0);
    CHECK(as(works, eve, {"ask", question("mean(load)", "others", 1), "--yes"}).exit_code == 4);
    CHECK(as(works, eve, {"feed", "list"}).exit_code == 4);
  }

  TEST_CASE("a token signed by the provider of the policy counts until it has expired") {
    cjose_err fault{};
    cjose_jwk_t* key = cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_256, &fault);
    REQUIRE(key != nullptr);
    REQUIRE(cjose_jwk_set_kid(key, "one", 3, &fault));
    const auto token = [&](std::int64_t expires) {
      const std::string claims = json::serialize(json::object{
          {"iss", "https://login.example"}, {"aud", "entente"}, {"sub", "4711"}, {"exp", expires}});
      cjose_header_t* header = cjose_header_new(&fault);
      cjose_header_set(header, "alg", "ES256", &fault);
      cjose_header_set(header, "kid", "one", &fault);
      cjose_jws_t* jws = cjose_jws_sign(
          key, header, reinterpret_cast<const std::uint8_t*>(claims.data()), claims.size(), &fault);
      const char* text = nullptr;
      REQUIRE(cjose_jws_export(jws, &text, &fault));
      std::string out(text);
      cjose_jws_release(jws);
      cjose_header_release(header);
      return out;
    };
    char* open = cjose_jwk_to_json(key, false, &fault);
    TemporaryFolder folder;
    TestNode works("works", folder.path());
    works.init();
    write_text(works.home() / "oidc.jwks.json", "{\"keys\":[" + std::string(open) + "]}");
    write_text(works.home() / "policy.toml",
               "[user.admin]\nroles = [\"owner\"]\n[user.eve]\nroles = [\"operator\"]\n"
               "[oidc]\nissuer = \"https://login.example\"\naudience = \"entente\"\n"
               "algorithms = [\"ES256\"]\n[oidc.users]\n4711 = \"eve\"\n");
    std::free(open);
    REQUIRE(works.start());
    const std::int64_t now = std::chrono::duration_cast<std::chrono::seconds>(
                                 std::chrono::system_clock::now().time_since_epoch())
                                 .count();
    CHECK(as(works, token(now + 600), {"twin", "list"}).exit_code == 0);
    CHECK(as(works, token(now + 600), {"role", "list"}).exit_code == 4);
    CHECK(as(works, token(now - 600), {"twin", "list"}).exit_code == 4);
    cjose_jwk_release(key);
  }

  TEST_CASE("a wrong word in the policy file is named with file and line and the words allowed") {
    TemporaryFolder folder;
    TestNode works("works", folder.path());
    works.init();
    write_text(works.home() / "policy.toml",
               "[user.admin]\nroles = [\"owner\"]\n[[grant]]\nuser = \"admin\"\n"
               "verb = \"fly\"\nresource = \"twin:*\"\n");
    CHECK_FALSE(works.start());
    const std::string log = works.log();
    CHECK(contains(log, "policy.toml"));
    CHECK(contains(log, "line 5"));
    CHECK(contains(log, "'fly'"));
    CHECK(contains(log, "read_status, read_twins"));
  }
}

}  // namespace entente::tests
