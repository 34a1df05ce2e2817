#include "federation/link/governor.h"

#include <doctest/doctest.h>

#include <kj/debug.h>

#include "federation/link/gate.h"

using namespace entente;
using namespace entente::federation;

namespace {

class Desk final : public Governed<wire::Questions> {
 public:
  using Context = AskContext;
  Desk(Caller caller, std::function<kj::Promise<void>(AskContext&)> act)
      : Governed(std::move(caller)), act_(std::move(act)) {}

 private:
  kj::Promise<void> ask(AskContext context) override { return act_(context); }
  std::function<kj::Promise<void>(AskContext&)> act_;
};

struct Bench {
  explicit Bench(LinkLimits l = {}) : limits(l) {
    hooks.admit = [](const security::PeerIdentity&) -> Outcome { return {}; };
    hooks.decide = [this](const Caller&, const MethodRow& row) -> Outcome {
      steps += "decide " + std::string(row.verb) + ";";
      if (denied) return make_error(ErrorCode::denied, "the test says no");
      return {};
    };
    hooks.audit_intent = [this](const Caller&, const MethodRow& row) -> kj::Promise<void> {
      steps += "intent " + std::string(row.name) + ";";
      return audit ? audit() : kj::Promise<void>(kj::READY_NOW);
    };
  }
  wire::Questions::Client desk(std::function<kj::Promise<void>()> act = nullptr) {
    governor = std::make_shared<Governor>(loop, clock, MethodTable::standard(), limits,
                                          std::make_shared<const LinkHooks>(hooks),
                                          [this](std::string why) { violation = why; });
    Caller caller{{}, clock.now() + hours(1), governor};
    return kj::heap<Desk>(caller, [this, act](Desk::Context& context) {
      steps += "ask;";
      context.getResults().initOutcome().initSealed(1);
      return act ? act() : kj::Promise<void>(kj::READY_NOW);
    });
  }
  // "ok", "ENT-nnnn", or the fault's text.
  std::string ask(wire::Questions::Client client) {
    try {
      auto response = client.askRequest().send().wait(loop.wait_scope());
      if (response.getOutcome().isSealed()) return "ok";
      retry_after = {response.getOutcome().getRefusal().getRetryAfterNs()};
      return code_text(code_from_number(response.getOutcome().getRefusal().getCode()));
    } catch (const kj::Exception& fault) {
      return fault.getDescription().cStr();
    }
  }

  Loop loop;
  ManualClock clock{Instant{1'000'000'000'000'000'000}};
  LinkLimits limits;
  LinkHooks hooks;
  std::function<kj::Promise<void>()> audit;
  bool denied = false;
  std::string steps, violation;
  Duration retry_after{};
  std::shared_ptr<Governor> governor;
};

}  // namespace

TEST_SUITE("federation/link/governor") {
  TEST_CASE("decide comes first, then the intent, then the method") {
    Bench bench;
    CHECK(bench.ask(bench.desk()) == "ok");
    CHECK(bench.steps == "decide question.ask;intent Questions.ask;ask;");
  }

  TEST_CASE("a refused call leaves no intent and never reaches the method") {
    Bench bench;
    bench.denied = true;
    CHECK(bench.ask(bench.desk()) == "ENT-3001");
    CHECK(bench.steps == "decide question.ask;");
  }

  TEST_CASE("an unset hook refuses") {
    {
      Bench no_decide;
      no_decide.hooks.decide = nullptr;
      CHECK(no_decide.ask(no_decide.desk()) == "ENT-3001");
      CHECK(no_decide.steps == "");
    }
    Bench no_audit;
    no_audit.hooks.audit_intent = nullptr;
    CHECK(no_audit.ask(no_audit.desk()) == "ENT-7001");
    CHECK(no_audit.steps == "decide question.ask;");
  }

  TEST_CASE("the method waits for the intent, and does not run when it cannot be written") {
    {
      Bench bench;
      auto pair = kj::newPromiseAndFulfiller<void>();
      auto written = std::make_shared<kj::Promise<void>>(kj::mv(pair.promise));
      bench.audit = [written] { return kj::mv(*written); };
      auto desk = bench.desk();
      auto call = desk.askRequest().send().then([](auto&&) {}).eagerlyEvaluate(nullptr);
      bench.loop.run(bench.loop.after(milliseconds(5)));
      CHECK(bench.steps == "decide question.ask;intent Questions.ask;");
      pair.fulfiller->fulfill();
      bench.loop.run(kj::mv(call));
      CHECK(bench.steps == "decide question.ask;intent Questions.ask;ask;");
    }
    Bench full;
    full.audit = []() -> kj::Promise<void> { return KJ_EXCEPTION(FAILED, "disk full"); };
    CHECK(full.ask(full.desk()) == "ENT-7001");
    CHECK(full.steps == "decide question.ask;intent Questions.ask;");
  }

  TEST_CASE("the session's end and the connection's end refuse") {
    {
      Bench bench;
      auto desk = bench.desk();
      CHECK(bench.ask(desk) == "ok");
      bench.clock.advance(hours(1) - nanoseconds(1));
      CHECK(bench.ask(desk) == "ok");
      bench.clock.advance(nanoseconds(1));
      CHECK(bench.ask(desk) == "ENT-2004");
    }
    Bench other;
    auto second = other.desk();
    other.governor->end();
    CHECK(other.ask(second) == "ENT-2004");
  }

  TEST_CASE("the rate of a class refuses with a time to come back, and recovers") {
    LinkLimits limits;
    limits.ask_rate = 10, limits.ask_burst = 3;
    Bench bench(limits);
    auto desk = bench.desk();
    for (int i = 0; i < 3; ++i) CHECK(bench.ask(desk) == "ok");
    CHECK(bench.ask(desk) == "ENT-1007");
    CHECK(bench.retry_after > Duration{});
    CHECK(bench.retry_after <= milliseconds(101));
    bench.clock.advance(bench.retry_after);
    CHECK(bench.ask(desk) == "ok");
    CHECK(bench.ask(desk) == "ENT-1007");
  }

  TEST_CASE("a call that takes too long is refused") {
    LinkLimits limits;
    limits.ask_time = milliseconds(20);
    Bench bench(limits);
    CHECK(bench.ask(bench.desk([]() -> kj::Promise<void> { return kj::NEVER_DONE; })) ==
          "ENT-6002");
  }

  TEST_CASE("whatever a method throws, the peer reads a fixed text") {
    Bench bench;
    const std::string secret = "17.3 at /var/lib/entente";
    CHECK(bench.ask(bench.desk([&]() -> kj::Promise<void> {
            return kj::Promise<void>(KJ_EXCEPTION(FAILED, secret.c_str()));
          })) == "ENT-1009 internal fault");
    CHECK(bench.ask(bench.desk([&]() -> kj::Promise<void> {
            throw std::runtime_error(secret);
          })) == "ENT-1009 internal fault");
    CHECK(bench.ask(bench.desk([&]() -> kj::Promise<void> {
            kj::throwFatalException(KJ_EXCEPTION(OVERLOADED, secret.c_str()));
          })) == "ENT-1007 overloaded");
  }

  TEST_CASE("dropping a call cancels its work") {
    Bench bench;
    bool dropped = false;
    auto desk = bench.desk([&]() -> kj::Promise<void> {
      return kj::Promise<void>(kj::NEVER_DONE).attach(kj::defer([&] { dropped = true; }));
    });
    {
      auto call = desk.askRequest().send();
      bench.loop.run(bench.loop.after(milliseconds(2)));
      CHECK_FALSE(dropped);
    }
    bench.loop.run(bench.loop.after(milliseconds(2)));
    CHECK(dropped);
  }

  TEST_CASE("too many objects end the connection") {
    LinkLimits limits;
    limits.live_objects = 2;
    Bench bench(limits);
    auto gate = [&] {
      bench.desk();
      return make_gate({{}, "s", bench.clock.now() + hours(2), {}, {}}, bench.governor, nullptr);
    }();
    auto open = [&] {
      auto request = gate.openRequest();
      auto hello = request.initHello();
      hello.setProtocolMin(1);
      hello.setProtocolMax(1);
      return request.send().wait(bench.loop.wait_scope());
    };
    auto first = open();
    CHECK(first.getOutcome().isWelcome());
    CHECK(bench.governor->objects() == 2);
    CHECK(bench.violation == "");
    auto second = open();
    CHECK(bench.violation == "too many live objects");
  }

  TEST_CASE("the gate speaks the range of protocols it knows and asks whether to admit") {
    Bench bench;
    auto try_range = [&](std::uint16_t least, std::uint16_t most) -> std::string {
      bench.desk();
      auto gate =
          make_gate({{}, "s", bench.clock.now() + minutes(30), {}, {}}, bench.governor, nullptr);
      auto request = gate.openRequest();
      request.initHello().setProtocolMin(least);
      request.getHello().setProtocolMax(most);
      auto response = request.send().wait(bench.loop.wait_scope());
      const auto outcome = response.getOutcome();
      if (outcome.isRefusal()) {
        return code_text(code_from_number(outcome.getRefusal().getCode()));
      }
      // The session ends with the certificate, which ends before the hour.
      CHECK(outcome.getWelcome().getExpiresNs() == (bench.clock.now() + minutes(30)).ns);
      return "protocol " + std::to_string(outcome.getWelcome().getProtocol());
    };
    CHECK(try_range(1, 1) == "protocol 1");
    CHECK(try_range(0, 7) == "protocol 1");
    CHECK(try_range(2, 7) == "ENT-9001");
    CHECK(try_range(0, 0) == "ENT-1008");
    CHECK(try_range(3, 2) == "ENT-1001");
    bench.hooks.admit = [](const security::PeerIdentity&) -> Outcome {
      return make_error(ErrorCode::certificate_refused, "revoked");
    };
    CHECK(try_range(1, 1) == "ENT-2002");
    bench.hooks.admit = nullptr;
    CHECK(try_range(1, 1) == "ENT-3001");
  }
}
