#include "federation/link/loop.h"

#include <doctest/doctest.h>

#include <kj/debug.h>

#include <utility>

#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "federation/link/bridge.h"
#include "federation/link/workers.h"

using namespace entente;
using namespace entente::federation;

TEST_SUITE("federation/link/loop") {
  TEST_CASE("work posted by another thread runs on the loop thread") {
    Loop loop;
    auto pair = kj::newPromiseAndFulfiller<void>();
    std::thread::id ran_on;
    std::thread other([&] {
      loop.post([&] {
        ran_on = std::this_thread::get_id();
        pair.fulfiller->fulfill();
      });
    });
    loop.run(kj::mv(pair.promise));
    other.join();
    CHECK(ran_on == std::this_thread::get_id());
  }

  TEST_CASE("posted work that throws does not end the loop") {
    Loop loop;
    auto pair = kj::newPromiseAndFulfiller<void>();
    loop.post([] { throw std::runtime_error("thrown on purpose"); });
    loop.post([&] { pair.fulfiller->fulfill(); });
    loop.run(kj::mv(pair.promise));
  }

  TEST_CASE("timers fire in order of time and a dropped one never fires") {
    Loop loop;
    std::string order;
    auto late = loop.after(milliseconds(20)).then([&] { order += 'b'; }).eagerlyEvaluate(nullptr);
    auto soon = loop.after(milliseconds(1)).then([&] { order += 'a'; }).eagerlyEvaluate(nullptr);
    {
      auto dropped =
          loop.after(milliseconds(5)).then([&] { order += 'x'; }).eagerlyEvaluate(nullptr);
    }
    loop.run(kj::mv(late));
    CHECK(order == "ab");
  }

  TEST_CASE("a KJ chain that never empties its queue does not starve an Asio timer") {
    Loop loop;
    bool stop = false;
    std::uint64_t turns = 0;
    std::function<kj::Promise<void>()> spin = [&]() -> kj::Promise<void> {
      ++turns;
      if (stop) return kj::READY_NOW;
      return kj::evalLater([&] { return spin(); });
    };
    boost::asio::steady_timer timer(loop.io());
    timer.expires_after(std::chrono::milliseconds(1));
    timer.async_wait([&](const boost::system::error_code&) { stop = true; });
    loop.run(spin());
    CHECK(turns > 64);
    CHECK(turns < 1'000'000);
  }

  TEST_CASE("the end of a turn is told once, after everything that was queued") {
    struct Member final : TurnEnd {
      void on_turn_end() override { ++told; at = *seen; }
      int told = 0, at = 0;
      const int* seen = nullptr;
    };
    Loop loop;
    int steps = 0;
    Member member;
    member.seen = &steps;
    loop.at_turn_end(member);
    auto chain = kj::evalLater([&] { ++steps; }).then([&] { ++steps; }).then([&] {
      ++steps;
      return loop.after(milliseconds(1));
    });
    loop.run(kj::mv(chain));
    CHECK(member.told == 1);
    CHECK(member.at == 3);
    loop.at_turn_end(member);
    loop.forget(member);
    loop.run(loop.after(milliseconds(1)));
    CHECK(member.told == 1);
  }

  TEST_CASE("handlers that own KJ objects may outlive the last turn") {
    auto armed = std::make_unique<Loop>();
    auto pair = kj::newPromiseAndFulfiller<int>();
    auto held = std::make_shared<kj::Promise<int>>(kj::mv(pair.promise));
    auto timer = std::make_shared<boost::asio::steady_timer>(armed->io());
    timer->expires_after(std::chrono::hours(1));
    timer->async_wait([held, timer](const boost::system::error_code&) {});
    held.reset();
    timer.reset();
    pair.fulfiller = nullptr;
    armed.reset();
  }

  TEST_CASE("a job's value and its fault come back to the loop, and a full queue refuses") {
    Loop loop;
    Workers workers(1, 2);
    CHECK(off_loop<int>(loop, workers, [] { return 42; }).wait(loop.wait_scope()) == 42);
    auto faulty = off_loop<int>(loop, workers, []() -> int { throw std::runtime_error("broken"); });
    CHECK_THROWS_WITH_AS(faulty.wait(loop.wait_scope()), doctest::Contains("broken"),
                         kj::Exception);
    std::atomic<bool> go{false};
    std::atomic<int> ran{0};
    REQUIRE(workers.post([&] {
      while (!go) std::this_thread::yield();
      ++ran;
    }));
    while (workers.queued() > 0) std::this_thread::yield();
    CHECK(workers.post([&] { ++ran; }));
    CHECK(workers.post([&] { ++ran; }));
    CHECK_FALSE(workers.post([&] { ++ran; }));
    CHECK_THROWS_WITH_AS(off_loop<void>(loop, workers, [] {}).wait(loop.wait_scope()),
                         doctest::Contains("full"), kj::Exception);
    go = true;
    workers.stop();
    CHECK(ran == 3);
    CHECK_FALSE(workers.post([] {}));
  }

  TEST_CASE("both bridges carry values and faults") {
    Loop loop;
    auto doubled = [&](int n) -> boost::asio::awaitable<int> {
      const int got = co_await to_awaitable(loop, kj::Promise<int>(n));
      co_await to_awaitable(loop, loop.after(milliseconds(1)));
      co_return got * 2;
    };
    CHECK(to_promise(loop, doubled(21)).wait(loop.wait_scope()) == 42);
    auto fails = [&]() -> boost::asio::awaitable<void> {
      co_await to_awaitable(loop, kj::Promise<int>(KJ_EXCEPTION(OVERLOADED, "too much")));
    };
    kj::Maybe<kj::Exception> caught;
    to_promise(loop, fails())
        .then([] {}, [&](kj::Exception&& e) { caught = kj::mv(e); })
        .wait(loop.wait_scope());
    REQUIRE(caught != nullptr);
    CHECK(KJ_ASSERT_NONNULL(caught).getType() == kj::Exception::Type::OVERLOADED);
  }
}
