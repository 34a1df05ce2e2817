#include "security/audit/witness.h"

#include <doctest/doctest.h>

#include <map>

using namespace entente;
using namespace entente::security;

namespace {

// A site with a log, and what a witness kept of it.
struct Site {
  explicit Site(std::uint64_t seed) : random(seed) {}

  SeededRandom random;
  SigningKey key = SigningKey::generate(random);
  LogName log{random.id<OrgId>(), "main"};
  std::vector<Hash256> leaves;

  void grow(std::size_t records) {
    while (records-- > 0) leaves.push_back(random.id<Hash256>());
  }
  WitnessOffer offer(std::uint64_t old_size) const {
    std::map<std::pair<unsigned, std::uint64_t>, Hash256> stored;
    const MerkleNodes nodes = [&stored](unsigned level, std::uint64_t index) {
      return stored.at({level, index});
    };
    for (std::uint64_t i = 0; i < leaves.size(); ++i) {
      for (const MerkleNode& node : nodes_completed_by(i, leaves[i], nodes)) {
        stored[{node.level, node.index}] = node.hash;
      }
    }
    const TreeHead head{leaves.size(), root_hash(leaves.size(), nodes)};
    return {sign_checkpoint({log, head}, key), old_size,
            old_size <= head.size ? consistency_proof(old_size, head.size, nodes)
                                  : std::vector<Hash256>{}};
  }
  std::vector<PublicKey> keys() const { return {key.public_key()}; }
  WitnessVerdict shown(const std::string& kept, const WitnessOffer& offer) const {
    const auto judged = judge(log, keys(), kept, offer);
    REQUIRE(judged);
    CHECK(judged->reason.empty() == (judged->verdict == WitnessVerdict::cosigned));
    return judged->verdict;
  }
};

}  // namespace

TEST_SUITE_BEGIN("security/audit witness");

TEST_CASE("a log that goes on is cosigned at every step") {
  const std::uint64_t seed = SystemRandom().u64();
  CAPTURE(seed);
  Site site(seed);
  std::string kept;
  std::uint64_t seen = 0;
  for (int step = 0; step < 40; ++step) {
    site.grow(site.random.below(9));
    const WitnessOffer offer = site.offer(seen);
    CHECK(site.shown(kept, offer) == WitnessVerdict::cosigned);
    kept = offer.note;
    seen = site.leaves.size();
  }
}

TEST_CASE("a proof from another size than the one seen is answered with what was seen") {
  Site site(1);
  site.grow(10);
  const std::string kept = site.offer(0).note;
  site.grow(5);
  CHECK(site.shown(kept, site.offer(0)) == WitnessVerdict::elsewhere);
  CHECK(site.shown(kept, site.offer(9)) == WitnessVerdict::elsewhere);
  CHECK(site.shown("", site.offer(10)) == WitnessVerdict::elsewhere);
  CHECK(site.shown(kept, site.offer(10)) == WitnessVerdict::cosigned);
}

TEST_CASE("a log cut short has gone back, whatever its proof says") {
  Site site(2);
  site.grow(10);
  const std::string kept = site.offer(0).note;
  site.leaves.resize(9);
  for (const std::uint64_t from : {0, 5, 9, 10}) {
    CHECK(site.shown(kept, site.offer(from)) == WitnessVerdict::went_back);
  }
}

TEST_CASE("a log of the same size with another root has forked") {
  Site site(3);
  site.grow(10);
  const std::string kept = site.offer(0).note;
  site.leaves[4].bytes[0] ^= 1;
  CHECK(site.shown(kept, site.offer(10)) == WitnessVerdict::forked);
  CHECK(site.shown(kept, site.offer(0)) == WitnessVerdict::forked);
}

TEST_CASE("a longer log that does not begin with the one seen has forked") {
  Site site(4);
  site.grow(10);
  const std::string kept = site.offer(0).note;
  site.leaves[9].bytes[0] ^= 1;
  site.grow(7);
  CHECK(site.shown(kept, site.offer(10)) == WitnessVerdict::forked);
}

TEST_CASE("a checkpoint of another log or another key says nothing about this one") {
  Site site(5);
  site.grow(3);
  Site other(6);
  other.grow(3);
  CHECK_FALSE(judge(site.log, site.keys(), "", other.offer(0)));
  CHECK_FALSE(judge(other.log, site.keys(), "", site.offer(0)));
  CHECK_FALSE(judge(site.log, other.keys(), "", site.offer(0)));
  WitnessOffer offer = site.offer(0);
  offer.proof.assign(kProofHashes + 1, {});
  CHECK_FALSE(judge(site.log, site.keys(), "", offer));
}

TEST_SUITE_END();
