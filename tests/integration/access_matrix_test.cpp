// Cells of the permission matrix, drawn at random and asked of a real node over HTTP. The rows are
// those that the whole matrix is compared with (tests/unit/node/daemon/permission_matrix_test.cpp).
#include <doctest/doctest.h>

#include <boost/json.hpp>

#include <chrono>
#include <cstdlib>
#include <random>

#include "tests/integration/federation.h"
#include "tests/support/permission_rows.h"

namespace entente::tests {
namespace {

namespace json = boost::json;
using security::Role;

constexpr std::size_t kCells = 1'000;
constexpr int kUsers = 9;  // a role each, a role of one's own, and one who is disabled

struct Caller {
  std::string name;
  std::string whole;   // token for everything that they may
  std::string narrow;  // for ask alone
};

bool role_says(int user, Verb verb) {
  if (user < 7) return security::role_allows(static_cast<Role>(user), verb);
  return user == 7 && (verb == Verb::read_twins || verb == Verb::manage_links);
}

std::vector<Caller> make_callers(const TestNode& works) {
  works.json({"role", "define", "keeper", "read_twins,manage_links"});
  std::vector<Caller> callers;
  for (int user = 0; user < kUsers; ++user) {
    Caller one;
    one.name = "user-" + std::to_string(user);
    const std::string role = user < 7    ? std::string(to_text(static_cast<Role>(user)))
                             : user == 7 ? "keeper"
                                         : "admin";
    works.json({"role", "grant", one.name, role});
    one.whole = text_at(works.json({"access", "token", "add", one.name + "-w", "--user", one.name}),
                        "token");
    one.narrow = text_at(works.json({"access", "token", "add", one.name + "-n", "--user", one.name,
                                     "--only", "ask"}),
                         "token");
    callers.push_back(std::move(one));
  }
  works.json({"user", "disable", "user-8"});
  // One twin and one link for the auditor, beside what the role allows.
  works.json({"access", "grant", "user:user-5", "read_twins", "twin:press-7"});
  works.json({"access", "grant", "user:user-5", "cut_links", "link:press-7"});
  return callers;
}

bool granted(int user, const RouteRow& row, bool named) {
  return user == 5 && named &&
         ((row.verb == Verb::read_twins && row.kind == Kind::twin) ||
          (row.verb == Verb::cut_links && row.kind == Kind::link));
}

std::string filled(std::string path) {
  for (std::size_t at = 0; (at = path.find('{')) != std::string::npos;) {
    path.replace(at, path.find('}') - at + 1, "press-7");
  }
  return path;
}

enum class Token { whole, narrow, unknown, none, count };

}  // namespace

TEST_SUITE("integration/access matrix") {
  TEST_CASE("drawn cells of the permission matrix are answered by a real node as the rows say") {
    LoadedWorks one;
    const std::vector<Caller> callers = make_callers(one.works);
    const char* given = std::getenv("ENTENTE_SEED");
    const unsigned seed =
        given == nullptr ? std::random_device{}() : std::strtoul(given, nullptr, 10);
    CAPTURE(seed);
    std::mt19937 draw(seed);
    const auto below = [&](std::size_t n) {
      return std::uniform_int_distribution<std::size_t>(0, n - 1)(draw);
    };
    std::size_t allowed = 0, asked = 0;
    const auto began = std::chrono::steady_clock::now();
    while (asked < kCells) {
      const RouteRow& row = kRouteRows[below(std::size(kRouteRows))];
      if (row.decided != Decided::by_path) continue;
      const int user = static_cast<int>(below(kUsers));
      const auto token = static_cast<Token>(below(static_cast<std::size_t>(Token::count)));
      const Caller& caller = callers[static_cast<std::size_t>(user)];
      const std::string method(row.route.substr(0, row.route.find(' ')));
      const std::string path(row.route.substr(row.route.find(' ') + 1));
      const bool named = path.find('{') != std::string::npos;
      const std::string text = token == Token::whole    ? caller.whole
                               : token == Token::narrow ? caller.narrow
                               : token == Token::none   ? ""
                                                        : "ent_nobody";
      const bool known = (token == Token::whole || token == Token::narrow) && user != 8;
      const bool may = known && (token == Token::whole || row.verb == Verb::ask) &&
                       (role_says(user, row.verb) || granted(user, row, named));
      // A dry run of an empty object: what is allowed is refused for other reasons, and does
      // nothing.
      const HttpAnswer answer = http_call(one.works, method, filled(path) + "?dryRun=1", text,
                                          method == "POST" ? "{}" : "");
      const bool passed = answer.status != 401 && answer.status != 403;
      CAPTURE(std::string(row.route));
      CAPTURE(caller.name);
      CAPTURE(static_cast<int>(token));
      CAPTURE(answer.body.substr(0, 300));
      CHECK(passed == may);
      if (!known) CHECK(answer.status == 401);
      ++asked;
      allowed += passed;
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    MESSAGE(asked << " cells, " << allowed << " allowed, seed " << seed << ", " << took.count()
                  << " s");
    CHECK(allowed > 0);
    CHECK(allowed < asked);
  }
}

}  // namespace entente::tests
