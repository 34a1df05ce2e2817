// A node's link layer alone, for tests: identity from TestAuthority, a desk that echoes, and every
// link event kept. Several of them may share one loop and talk over real TLS on loopback.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "federation/link/governor.h"
#include "federation/link/link_manager.h"
#include "tests/support/test_certificates.h"

namespace entente::test {

// Answers an ask with its envelope's bytes, unless `answer` says otherwise.
class EchoQuestions final : public federation::Governed<wire::Questions> {
 public:
  using Answer = std::function<kj::Promise<void>(AskContext&)>;
  EchoQuestions(federation::Caller caller, Answer answer)
      : Governed(std::move(caller)), answer_(std::move(answer)) {}

 private:
  kj::Promise<void> ask(AskContext context) override {
    if (answer_) return answer_(context);
    context.getResults().initOutcome().setSealed(context.getParams().getEnvelope());
    return kj::READY_NOW;
  }
  Answer answer_;
};

// The system's time, of which the wall part may be set ahead.
class AheadClock final : public Clock {
 public:
  Instant now() const override { return system_.now() + ahead; }
  Duration steady() const override { return system_.steady(); }
  Duration ahead{};

 private:
  SystemClock system_;
};

struct LinkNode {
  LinkNode(federation::Loop& loop, const std::string& name, federation::LinkLimits limits = {});

  // Pins each other's authority and makes each other's partner; `dialler` dials.
  static void link(LinkNode& dialler, LinkNode& listener);
  OrgId id() const { return authority.organisation(); }
  federation::Partner partner(const LinkNode& other, bool dial) const;
  // Reasons of all events of one kind, oldest first.
  std::vector<std::string> reasons(federation::LinkEvent::Kind kind) const;

  federation::Loop& loop;
  AheadClock clock;
  SystemRandom random;
  std::string name;
  TestAuthority authority;
  SwappableCredentials credentials;
  PinnedVerifier verifier;
  std::vector<federation::LinkEvent> events;
  EchoQuestions::Answer answer;
  std::function<Outcome(const federation::Caller&, const federation::MethodRow&)> decide;
  std::function<kj::Promise<void>(const federation::MethodRow&)> intent;
  bool admits = true;
  std::vector<std::string> intents;  // names of the methods recorded
  std::uint16_t port = 0;
  federation::LinkManager manager;
};

// Lets the loop run until `done` or the time is over; false when it is over.
bool run_until(federation::Loop& loop, std::function<bool()> done, Duration limit = seconds(10));

// A plain TCP connection to loopback; the caller closes it.
int connect_tcp(std::uint16_t port);

// Sends one ask and waits; the answer's bytes.
std::string ask(federation::Loop& loop, wire::Questions::Client desk, const std::string& text);

}  // namespace entente::test
