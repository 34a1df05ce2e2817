// Any bytes as what a peer sends: the framing keeps its limits, the rules never throw, and the
// table of questions stays within its bounds. First byte: even = we serve, odd = we call; second
// byte: how many bytes arrive at a time.
#include <capnp/message.h>
#include <capnp/rpc.capnp.h>

#include <cstddef>
#include <cstdint>

#include "federation/link/frame_reader.h"
#include "federation/link/traffic_rules.h"
#include "schemas/base/check.h"

namespace {

using namespace entente;
using namespace entente::federation;

// What an honest side of ours says first, so that answers to it are in order.
void start_calling(TrafficRules& rules) {
  for (std::uint32_t id = 0; id < 4; ++id) {
    capnp::MallocMessageBuilder message;
    message.initRoot<capnp::rpc::Message>().initBootstrap().setQuestionId(id);
    capnp::SegmentArrayMessageReader reader(message.getSegmentsForOutput());
    ENTENTE_CHECK(rules.outbound(reader) == nullptr);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const Side side = data[0] % 2 == 0 ? Side::callee : Side::caller;
  const std::size_t chunk = std::size_t{data[1]} + 1;
  const LinkLimits limits;
  const std::size_t most = side == Side::callee ? limits.message_bytes : limits.answer_bytes;
  FrameReader frames(most);
  TrafficRules rules(side, MethodTable::standard(), limits);
  if (side == Side::caller) start_calling(rules);
  ByteView rest(data + 2, size - 2);
  Duration now{};
  while (!rest.empty()) {
    ByteView input = rest.first(std::min(chunk, rest.size()));
    rest = rest.subspan(input.size());
    while (!input.empty()) {
      auto step = frames.feed(input);
      if (step.violation != nullptr) return 0;
      if (step.message.get() == nullptr) break;
      ENTENTE_CHECK(step.message->size_bytes() <= most);
      now = now + microseconds(1);
      if (rules.inbound(*step.message, now) != nullptr) return 0;
      ENTENTE_CHECK(rules.open_answers() <= limits.open_answers);
    }
  }
  return 0;
}
