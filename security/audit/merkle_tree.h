// The Merkle tree over the audit log's records: one root stands for the whole log, and short proofs
// show that a record is in it and that a later log still holds an earlier one.
//
// Source: RFC 6962 section 2.1 (tree hash, audit path, consistency proof), verified as in RFC 9162
// sections 2.1.3.2 and 2.1.4.2:
//   leaf = SHA-256(0x00, record bytes)    node = SHA-256(0x01, left, right)    empty = SHA-256()
//
// A node (level, index) is the root of the complete subtree over the leaves
// [index * 2^level, (index + 1) * 2^level); it never changes once its last leaf is there, so a log
// stores each once. Every root and every proof is made of such nodes.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "schemas/base/ids.h"

namespace entente::security {

Hash256 leaf_hash(ByteView record);
Hash256 node_hash(const Hash256& left, const Hash256& right);

struct MerkleNode {
  unsigned level = 0;
  std::uint64_t index = 0;
  Hash256 hash;
  bool operator==(const MerkleNode&) const = default;
};

// Gives the hash of a complete node; may throw what its storage throws.
using MerkleNodes = std::function<Hash256(unsigned level, std::uint64_t index)>;

// The nodes that the leaf with this number (from 0) completes: the leaf itself first, then upwards.
std::vector<MerkleNode> nodes_completed_by(std::uint64_t leaf, const Hash256& hash,
                                           const MerkleNodes& nodes);

// The root over the first `size` leaves.
Hash256 root_hash(std::uint64_t size, const MerkleNodes& nodes);

// The path from leaf `index` to the root over `size` leaves, lowest first. Needs index < size.
std::vector<Hash256> inclusion_proof(std::uint64_t index, std::uint64_t size,
                                     const MerkleNodes& nodes);
// Shows that the tree over `size` leaves begins with the one over `old_size`; empty when old_size
// is 0 or size. Needs old_size <= size.
std::vector<Hash256> consistency_proof(std::uint64_t old_size, std::uint64_t size,
                                       const MerkleNodes& nodes);

struct TreeHead {
  std::uint64_t size = 0;
  Hash256 root;
  bool operator==(const TreeHead&) const = default;
};

// The head of the empty log.
TreeHead empty_tree();

// Refuses (verification_failed): the leaf is not number `index` of the tree.
[[nodiscard]] Outcome verify_inclusion(std::uint64_t index, const Hash256& leaf,
                                       const std::vector<Hash256>& proof, const TreeHead& tree);
// Refuses (verification_failed): the later tree does not begin with the earlier one, or the earlier
// one is the larger. A proof from the empty tree is empty and says nothing.
[[nodiscard]] Outcome verify_consistency(const TreeHead& earlier, const TreeHead& later,
                                         const std::vector<Hash256>& proof);

// The root of a log that is read from its first record on, in memory that grows with the logarithm
// of its length. Threads: as a value.
class MerkleFrontier {
 public:
  void add(const Hash256& leaf);
  std::uint64_t size() const { return size_; }
  TreeHead head() const;

 private:
  std::uint64_t size_ = 0;
  std::vector<Hash256> complete_;  // the largest subtree first, one for each bit set in size_
};

}  // namespace entente::security
