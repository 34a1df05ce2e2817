#include "security/audit/merkle_tree.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <span>

#include "schemas/base/random.h"

using namespace entente;
using namespace entente::security;

namespace {

// The leaves and roots of the reference tests of Certificate Transparency (RFC 6962).
const std::vector<std::string> kLeaves = {"",
                                          "00",
                                          "10",
                                          "2021",
                                          "3031",
                                          "40414243",
                                          "5051525354555657",
                                          "606162636465666768696a6b6c6d6e6f"};
const std::vector<std::string> kRoots = {
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};

// A log in memory, kept as a store keeps it.
struct Log {
  std::vector<Hash256> leaves;
  std::map<std::pair<unsigned, std::uint64_t>, Hash256> stored;
  MerkleNodes nodes = [this](unsigned level, std::uint64_t index) {
    return stored.at({level, index});
  };

  void add(const Hash256& leaf) {
    for (const MerkleNode& node : nodes_completed_by(leaves.size(), leaf, nodes)) {
      stored[{node.level, node.index}] = node.hash;
    }
    leaves.push_back(leaf);
  }
  TreeHead head(std::uint64_t size) const { return {size, root_hash(size, nodes)}; }
};

Log random_log(Random& random, std::size_t size) {
  Log log;
  while (log.leaves.size() < size) log.add(random.id<Hash256>());
  return log;
}

// The definition of RFC 6962 section 2.1, word for word.
Hash256 defined_root(std::span<const Hash256> leaves) {
  if (leaves.empty()) return empty_tree().root;
  if (leaves.size() == 1) return leaves.front();
  std::size_t split = 1;
  while (split * 2 < leaves.size()) split *= 2;
  return node_hash(defined_root(leaves.first(split)), defined_root(leaves.subspan(split)));
}

}  // namespace

TEST_SUITE_BEGIN("security/audit merkle tree");

TEST_CASE("roots are those of the reference tests of RFC 6962") {
  Log log;
  MerkleFrontier frontier;
  CHECK(empty_tree().root.hex() == kRoots[0]);
  for (std::size_t i = 0; i < kLeaves.size(); ++i) {
    const Hash256 leaf = leaf_hash(*from_hex(kLeaves[i]));
    log.add(leaf);
    frontier.add(leaf);
    CHECK(log.head(i + 1).root.hex() == kRoots[i + 1]);
    CHECK(frontier.head() == log.head(i + 1));
  }
}

TEST_CASE("every record of every tree up to 70 proves itself and nothing else does") {
  const std::uint64_t seed = SystemRandom().u64();
  CAPTURE(seed);
  SeededRandom random(seed);
  const Log log = random_log(random, 70);
  for (std::uint64_t size = 1; size <= 70; ++size) {
    const TreeHead head = log.head(size);
    CHECK(head.root == defined_root(std::span(log.leaves).first(size)));
    for (std::uint64_t index = 0; index < size; ++index) {
      auto proof = inclusion_proof(index, size, log.nodes);
      CHECK(verify_inclusion(index, log.leaves[index], proof, head));
      CHECK_FALSE(verify_inclusion(index, random.id<Hash256>(), proof, head));
      CHECK_FALSE(verify_inclusion(size, log.leaves[index], proof, head));
      if (size > 1) {
        CHECK_FALSE(verify_inclusion((index + 1) % size, log.leaves[index], proof, head));
        auto changed = proof;
        changed[random.below(changed.size())].bytes[random.below(32)] ^= 1;
        CHECK_FALSE(verify_inclusion(index, log.leaves[index], changed, head));
        proof.pop_back();
        CHECK_FALSE(verify_inclusion(index, log.leaves[index], proof, head));
      }
      proof.assign(70, head.root);
      CHECK_FALSE(verify_inclusion(index, log.leaves[index], proof, head));
    }
  }
}

TEST_CASE("every later tree proves that it goes on from every earlier one") {
  const std::uint64_t seed = SystemRandom().u64();
  CAPTURE(seed);
  SeededRandom random(seed);
  const Log log = random_log(random, 70);
  for (std::uint64_t old_size = 0; old_size <= 70; ++old_size) {
    for (std::uint64_t size = old_size; size <= 70; ++size) {
      const auto proof = consistency_proof(old_size, size, log.nodes);
      CHECK(verify_consistency(log.head(old_size), log.head(size), proof));
      if (old_size == 0) continue;
      TreeHead other = log.head(old_size);
      other.root.bytes[random.below(32)] ^= 1;
      CHECK_FALSE(verify_consistency(other, log.head(size), proof));
      other = log.head(size);
      other.root.bytes[random.below(32)] ^= 1;
      CHECK_FALSE(verify_consistency(log.head(old_size), other, proof));
      auto longer = proof;
      longer.push_back(random.id<Hash256>());
      CHECK_FALSE(verify_consistency(log.head(old_size), log.head(size), longer));
      if (size > old_size) {
        auto shorter = proof;
        shorter.pop_back();
        CHECK_FALSE(verify_consistency(log.head(old_size), log.head(size), shorter));
        CHECK_FALSE(verify_consistency(log.head(size), log.head(old_size), proof));
      }
    }
  }
}

TEST_CASE("a log in which one record was edited, dropped, inserted or moved goes on from no head") {
  const std::uint64_t seed = SystemRandom().u64();
  CAPTURE(seed);
  SeededRandom random(seed);
  for (int round = 0; round < 200; ++round) {
    CAPTURE(round);
    const std::uint64_t size = 2 + random.below(60);
    const Log honest = random_log(random, size);
    const std::uint64_t seen = 1 + random.below(size);
    std::vector<Hash256> leaves = honest.leaves;
    const auto at = static_cast<std::ptrdiff_t>(random.below(seen));
    switch (random.below(4)) {
      case 0:
        leaves[static_cast<std::size_t>(at)] = random.id<Hash256>();
        break;
      case 1:
        leaves.erase(leaves.begin() + at);
        break;
      case 2:
        leaves.insert(leaves.begin() + at, random.id<Hash256>());
        break;
      default:
        std::rotate(leaves.begin() + at, leaves.begin() + at + (at + 1 < std::ssize(leaves)),
                    leaves.begin() + std::min<std::ptrdiff_t>(at + 2, std::ssize(leaves)));
    }
    if (std::equal(leaves.begin(),
                   leaves.begin() + std::min<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(seen),
                                                             std::ssize(leaves)),
                   honest.leaves.begin()) &&
        leaves.size() >= seen) {
      continue;  // the last record cannot trade places with one behind it
    }
    while (leaves.size() < seen) leaves.push_back(random.id<Hash256>());
    Log forged;
    for (const Hash256& leaf : leaves) forged.add(leaf);
    const auto proof = consistency_proof(seen, leaves.size(), forged.nodes);
    CHECK_FALSE(verify_consistency(honest.head(seen), forged.head(leaves.size()), proof));
  }
}

TEST_SUITE_END();
