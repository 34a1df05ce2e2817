#include "federation/link/link_manager.h"

#include <doctest/doctest.h>

#include <kj/debug.h>

#include "tests/support/link_node.h"

using namespace entente;
using namespace entente::federation;
using test::LinkNode;

namespace {

void connect(Loop& loop, LinkNode& dialler, LinkNode& listener) {
  LinkNode::link(dialler, listener);
  for (Direction d : {Direction::we_call, Direction::we_serve}) {
    loop.run(dialler.manager.when_connected(listener.id(), d));
    loop.run(listener.manager.when_connected(dialler.id(), d));
  }
}

kj::Exception::Type fault_of(Loop& loop, wire::Questions::Client desk, std::string* text = nullptr) {
  try {
    test::ask(loop, desk, "x");
  } catch (const kj::Exception& e) {
    if (text != nullptr) *text = e.getDescription().cStr();
    return e.getType();
  }
  FAIL("the call succeeded");
  return kj::Exception::Type::FAILED;
}

}  // namespace

TEST_SUITE("federation/link/link_manager") {
  TEST_CASE("two nodes ask each other, though only one dials") {
    Loop loop;
    LinkNode a(loop, "a"), b(loop, "b");
    connect(loop, a, b);
    CHECK(test::ask(loop, a.manager.questions(b.id()), "from a") == "from a");
    CHECK(test::ask(loop, b.manager.questions(a.id()), "from b") == "from b");
    const auto health = a.manager.health(b.id());
    REQUIRE(health);
    CHECK(health->call.connected);
    CHECK(health->serve.connected);
    CHECK(health->protocol == 1);
    CHECK(health->certificate_expires > a.clock.now());
    CHECK(health->calls_in_flight == 0);
    const std::vector<std::string> expected{"Gate.open", "Session.questions", "Session.agreements",
                                            "Questions.ask"};
    CHECK(b.intents == expected);
  }

  TEST_CASE("without a link a call fails at once, and says so") {
    Loop loop;
    LinkNode a(loop, "a"), b(loop, "b");
    CHECK(fault_of(loop, a.manager.questions(b.id())) == kj::Exception::Type::DISCONNECTED);
    a.verifier.pin(b.authority);
    a.manager.set_partner(a.partner(b, true));  // b knows nothing of a
    auto desk = a.manager.questions(b.id());
    CHECK(fault_of(loop, desk) == kj::Exception::Type::DISCONNECTED);
    REQUIRE(test::run_until(loop, [&] { return !b.reasons(LinkEvent::Kind::refused).empty(); }));
    CHECK(b.reasons(LinkEvent::Kind::refused).front() == "an unknown organisation");
    CHECK_FALSE(a.manager.health(b.id())->call.connected);
  }
}
