#include "tests/support/link_node.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <stdexcept>

namespace entente::test {

using namespace federation;

namespace {

LinkHooks hooks_of(LinkNode& node) {
  LinkHooks hooks;
  hooks.admit = [&node](const security::PeerIdentity&) -> Outcome {
    if (node.admits) return {};
    return make_error(ErrorCode::denied, "the test admits nobody");
  };
  hooks.decide = [&node](const Caller& caller, const MethodRow& row) -> Outcome {
    return node.decide ? node.decide(caller, row) : Outcome{};
  };
  hooks.audit_intent = [&node](const Caller&, const MethodRow& row) -> kj::Promise<void> {
    node.intents.emplace_back(row.name);
    if (node.intent) return node.intent(row);
    return kj::READY_NOW;
  };
  hooks.questions = [&node](const Caller& caller) -> wire::Questions::Client {
    return kj::heap<EchoQuestions>(caller, node.answer);
  };
  hooks.on_event = [&node](const LinkEvent& event) { node.events.push_back(event); };
  return hooks;
}

}  // namespace

LinkNode::LinkNode(Loop& l, const std::string& n, LinkLimits limits)
    : loop(l),
      name(n),
      authority(n),
      credentials(authority.leaf("main")),
      manager(loop, clock, random, credentials, verifier, hooks_of(*this), limits) {
  auto real = manager.listen("127.0.0.1", 0);
  if (!real) throw std::runtime_error(real.error().text());
  port = *real;
}

Partner LinkNode::partner(const LinkNode& other, bool dial) const {
  Partner p;
  p.organisation = other.id();
  p.name = other.name;
  if (dial) p.dial = DialAddress{"127.0.0.1", other.port};
  return p;
}

void LinkNode::link(LinkNode& dialler, LinkNode& listener) {
  dialler.verifier.pin(listener.authority);
  listener.verifier.pin(dialler.authority);
  listener.manager.set_partner(listener.partner(dialler, false));
  dialler.manager.set_partner(dialler.partner(listener, true));
}

std::vector<std::string> LinkNode::reasons(LinkEvent::Kind kind) const {
  std::vector<std::string> found;
  for (const auto& event : events) {
    if (event.kind == kind) found.push_back(event.reason);
  }
  return found;
}

bool run_until(Loop& loop, std::function<bool()> done, Duration limit) {
  const SystemClock clock;
  const Duration end = clock.steady() + limit;
  while (!done()) {
    if (clock.steady() > end) return false;
    loop.run(loop.after(milliseconds(2)));
  }
  return true;
}

int connect_tcp(std::uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  (void)::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  return socket;
}

std::string ask(Loop& loop, wire::Questions::Client desk, const std::string& text) {
  auto request = desk.askRequest();
  request.setEnvelope(kj::arrayPtr(reinterpret_cast<const kj::byte*>(text.data()), text.size()));
  auto response = request.send().wait(loop.wait_scope());
  const auto outcome = response.getOutcome();
  if (outcome.isRefusal()) {
    return "refused " + code_text(code_from_number(outcome.getRefusal().getCode()));
  }
  const auto sealed = outcome.getSealed();
  return std::string(reinterpret_cast<const char*>(sealed.begin()), sealed.size());
}

}  // namespace entente::test
