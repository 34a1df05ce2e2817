#include "security/audit/merkle_tree.h"

#include <sodium.h>

#include <bit>

#include "schemas/base/check.h"

namespace entente::security {
namespace {

constexpr std::uint8_t kLeaf = 0x00;
constexpr std::uint8_t kNode = 0x01;

Hash256 sha256(std::initializer_list<ByteView> parts) {
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  for (const ByteView part : parts) crypto_hash_sha256_update(&state, part.data(), part.size());
  Hash256 hash;
  static_assert(crypto_hash_sha256_BYTES == Hash256::kSize);
  crypto_hash_sha256_final(&state, hash.bytes.data());
  return hash;
}

// The largest power of two below `size`, as its exponent; size > 1.
unsigned split_level(std::uint64_t size) {
  return static_cast<unsigned>(std::bit_width(size - 1)) - 1;
}

// MTH of the leaves [first, first + count) of RFC 6962; `first` is a multiple of the least power of
// two that holds `count`, so the left part is always one complete node.
Hash256 range_root(std::uint64_t first, std::uint64_t count, const MerkleNodes& nodes) {
  if (std::has_single_bit(count)) {
    const auto level = static_cast<unsigned>(std::countr_zero(count));
    return nodes(level, first >> level);
  }
  const unsigned level = split_level(count);
  const std::uint64_t left = std::uint64_t{1} << level;
  return node_hash(nodes(level, first >> level), range_root(first + left, count - left, nodes));
}

void inclusion(std::uint64_t index, std::uint64_t first, std::uint64_t count,
               const MerkleNodes& nodes, std::vector<Hash256>& proof) {
  if (count == 1) return;
  const std::uint64_t left = std::uint64_t{1} << split_level(count);
  if (index < left) {
    inclusion(index, first, left, nodes, proof);
    proof.push_back(range_root(first + left, count - left, nodes));
  } else {
    inclusion(index - left, first + left, count - left, nodes, proof);
    proof.push_back(range_root(first, left, nodes));
  }
}

// SUBPROOF of RFC 6962 section 2.1.2; `whole`: the verifier knows this subtree as its old root.
void consistency(std::uint64_t old_size, std::uint64_t first, std::uint64_t count, bool whole,
                 const MerkleNodes& nodes, std::vector<Hash256>& proof) {
  if (old_size == count) {
    if (!whole) proof.push_back(range_root(first, count, nodes));
    return;
  }
  const std::uint64_t left = std::uint64_t{1} << split_level(count);
  if (old_size <= left) {
    consistency(old_size, first, left, whole, nodes, proof);
    proof.push_back(range_root(first + left, count - left, nodes));
  } else {
    consistency(old_size - left, first + left, count - left, false, nodes, proof);
    proof.push_back(range_root(first, left, nodes));
  }
}

Error wrong(const char* why) {
  return make_error(ErrorCode::verification_failed, why);
}

}  // namespace

Hash256 leaf_hash(ByteView record) {
  return sha256({ByteView(&kLeaf, 1), record});
}

Hash256 node_hash(const Hash256& left, const Hash256& right) {
  return sha256({ByteView(&kNode, 1), left.view(), right.view()});
}

TreeHead empty_tree() {
  return {0, sha256({})};
}

std::vector<MerkleNode> nodes_completed_by(std::uint64_t leaf, const Hash256& hash,
                                           const MerkleNodes& nodes) {
  std::vector<MerkleNode> completed{{0, leaf, hash}};
  while (completed.back().index % 2 == 1) {
    const MerkleNode& right = completed.back();
    const Hash256 left = nodes(right.level, right.index - 1);
    completed.push_back({right.level + 1, right.index / 2, node_hash(left, right.hash)});
  }
  return completed;
}

Hash256 root_hash(std::uint64_t size, const MerkleNodes& nodes) {
  return size == 0 ? empty_tree().root : range_root(0, size, nodes);
}

std::vector<Hash256> inclusion_proof(std::uint64_t index, std::uint64_t size,
                                     const MerkleNodes& nodes) {
  ENTENTE_CHECK(index < size);
  std::vector<Hash256> proof;
  inclusion(index, 0, size, nodes, proof);
  return proof;
}

std::vector<Hash256> consistency_proof(std::uint64_t old_size, std::uint64_t size,
                                       const MerkleNodes& nodes) {
  ENTENTE_CHECK(old_size <= size);
  std::vector<Hash256> proof;
  if (old_size > 0) consistency(old_size, 0, size, true, nodes, proof);
  return proof;
}

Outcome verify_inclusion(std::uint64_t index, const Hash256& leaf,
                         const std::vector<Hash256>& proof, const TreeHead& tree) {
  if (index >= tree.size) return wrong("the tree is smaller than the record's number");
  std::uint64_t at = index, last = tree.size - 1;
  Hash256 root = leaf;
  for (const Hash256& step : proof) {
    if (last == 0) return wrong("the proof is too long");
    if (at % 2 == 1 || at == last) {
      root = node_hash(step, root);
      while (at % 2 == 0 && at != 0) {
        at /= 2;
        last /= 2;
      }
    } else {
      root = node_hash(root, step);
    }
    at /= 2;
    last /= 2;
  }
  if (last != 0) return wrong("the proof is too short");
  if (root != tree.root) return wrong("the record is not in the tree");
  return {};
}

Outcome verify_consistency(const TreeHead& earlier, const TreeHead& later,
                           const std::vector<Hash256>& proof) {
  if (earlier.size > later.size) return wrong("the later tree is the smaller one");
  if (earlier.size == later.size) {
    if (earlier.root != later.root) return wrong("two trees of one size differ");
    return proof.empty() ? Outcome{} : wrong("the proof is too long");
  }
  if (earlier.size == 0) return proof.empty() ? Outcome{} : wrong("the proof is too long");
  if (proof.empty()) return wrong("the proof is too short");
  std::size_t next = 0;
  std::uint64_t at = earlier.size - 1, last = later.size - 1;
  while (at % 2 == 1) {
    at /= 2;
    last /= 2;
  }
  // When the earlier tree is one complete node, its root is where the proof begins.
  Hash256 old_root = at == 0 ? earlier.root : proof[next++];
  Hash256 new_root = old_root;
  for (; next < proof.size(); ++next) {
    if (last == 0) return wrong("the proof is too long");
    if (at % 2 == 1 || at == last) {
      old_root = node_hash(proof[next], old_root);
      new_root = node_hash(proof[next], new_root);
      while (at % 2 == 0 && at != 0) {
        at /= 2;
        last /= 2;
      }
    } else {
      new_root = node_hash(new_root, proof[next]);
    }
    at /= 2;
    last /= 2;
  }
  if (last != 0) return wrong("the proof is too short");
  if (old_root != earlier.root || new_root != later.root) {
    return wrong("the later tree does not begin with the earlier one");
  }
  return {};
}

void MerkleFrontier::add(const Hash256& leaf) {
  Hash256 hash = leaf;
  for (std::uint64_t bits = size_; bits % 2 == 1; bits /= 2) {
    hash = node_hash(complete_.back(), hash);
    complete_.pop_back();
  }
  complete_.push_back(hash);
  ++size_;
}

TreeHead MerkleFrontier::head() const {
  if (size_ == 0) return empty_tree();
  Hash256 root = complete_.back();
  for (std::size_t i = complete_.size() - 1; i-- > 0;) root = node_hash(complete_[i], root);
  return {size_, root};
}

}  // namespace entente::security
