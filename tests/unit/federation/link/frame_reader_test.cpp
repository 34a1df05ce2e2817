#include "federation/link/frame_reader.h"

#include <capnp/serialize.h>
#include <doctest/doctest.h>

#include <vector>

#include "schemas/base/random.h"
#include "schemas/wire/gate.capnp.h"

using namespace entente;
using namespace entente::federation;

namespace {

// Several segments of drawn sizes, framed by Cap'n Proto itself.
std::vector<std::uint8_t> framed(Random& random, std::vector<std::uint8_t>& blob) {
  capnp::MallocMessageBuilder message(1 + static_cast<unsigned>(random.below(40)),
                                      capnp::AllocationStrategy::FIXED_SIZE);
  auto params = message.initRoot<wire::Agreements::TerminateParams>();
  blob.resize(random.below(600));
  random.fill(blob);
  params.setAgreement(kj::arrayPtr(blob.data(), blob.size()));
  params.setReason("because");
  const auto words = capnp::messageToFlatArray(message);
  const auto bytes = words.asBytes();
  return {bytes.begin(), bytes.end()};
}

const char* violation_of(std::initializer_list<std::uint32_t> words, std::size_t most = 1'048'576) {
  const std::vector<std::uint32_t> list(words);
  ByteView input(reinterpret_cast<const std::uint8_t*>(list.data()), list.size() * 4);
  return FrameReader(most).feed(input).violation;
}

}  // namespace

TEST_SUITE("federation/link/frame_reader") {
  TEST_CASE("what Cap'n Proto frames is read back, however the bytes are cut") {
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      std::vector<std::uint8_t> stream, blobs[3];
      for (auto& blob : blobs) {
        const auto bytes = framed(random, blob);
        stream.insert(stream.end(), bytes.begin(), bytes.end());
      }
      FrameReader reader(1'048'576);
      std::size_t at = 0, message = 0;
      while (at < stream.size()) {
        const std::size_t n = std::min<std::size_t>(1 + random.below(100), stream.size() - at);
        ByteView input(stream.data() + at, n);
        at += n;
        while (!input.empty()) {
          auto step = reader.feed(input);
          if (step.violation != nullptr) {
            // Sixteen segments are the most; the framer above may make more of a long blob.
            CHECK(std::string(step.violation) == "too many segments");
            at = stream.size();
            message = 3;
            break;
          }
          if (step.message.get() == nullptr) continue;
          REQUIRE(message < 3);
          const auto params = step.message->getRoot<wire::Agreements::TerminateParams>();
          const auto& blob = blobs[message++];
          REQUIRE(params.getAgreement().size() == blob.size());
          CHECK(std::equal(blob.begin(), blob.end(), params.getAgreement().begin()));
        }
      }
      CHECK(message == 3);
    }
  }

  TEST_CASE("limits hold before anything is allocated") {
    CHECK(std::string(violation_of({0xFFFFFFFF, 0})) == "too many segments");
    CHECK(std::string(violation_of({16, 1})) == "too many segments");
    CHECK(std::string(violation_of({0, 131'073})) == "message too large");
    CHECK(std::string(violation_of({0, 0xFFFFFFFF})) == "message too large");
    CHECK(std::string(violation_of({1, 131'072, 1, 0})) == "message too large");
    CHECK(std::string(violation_of({0, 0})) == "empty message");
    CHECK(std::string(violation_of({0, 2}, 8)) == "message too large");
    // The control: just within the limits is merely incomplete.
    CHECK(violation_of({0, 131'072}) == nullptr);
    CHECK(violation_of({15, 1}) == nullptr);
    CHECK(violation_of({0, 1}, 8) == nullptr);
  }
}
