// Strong identifiers. Two ids of different kinds do not mix, compare or convert.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "schemas/base/bytes.h"

namespace entente {

// N raw bytes with a tag type; ordered and hashable; its text form is hexadecimal.
template <class Tag, std::size_t N>
struct FixedId {
  static constexpr std::size_t kSize = N;
  std::array<std::uint8_t, N> bytes{};

  ByteView view() const { return bytes; }
  std::string hex() const { return to_hex(bytes); }
  // The first eight digits: for people, never for comparison.
  std::string short_hex() const { return hex().substr(0, 8); }
  bool is_zero() const { return *this == FixedId{}; }
  auto operator<=>(const FixedId&) const = default;

  // Refuses (invalid_argument) any other length.
  static Result<FixedId> from_bytes(ByteView view) {
    if (view.size() != N) return wrong_size(view.size(), N);
    FixedId id;
    for (std::size_t i = 0; i < N; ++i) id.bytes[i] = view[i];
    return id;
  }
  static Result<FixedId> from_hex_text(std::string_view text) {
    auto raw = from_hex(text);
    if (!raw) return std::move(raw).error();
    return from_bytes(*raw);
  }

 private:
  static Error wrong_size(std::size_t got, std::size_t wanted) {
    return make_error(
        ErrorCode::invalid_argument,
        "an id of " + std::to_string(wanted) + " bytes was expected, got " + std::to_string(got));
  }
};

using Hash256 = FixedId<struct HashTag, 32>;  // BLAKE2b-256 with a context (hash.h)
using OrgId = FixedId<struct OrgTag, 32>;     // BLAKE2b-256 of an organisation's first charter
using PublicKey = FixedId<struct PublicKeyTag, 32>;    // Ed25519
using SealKey = FixedId<struct SealKeyTag, 32>;        // X25519, of one question's asker
using Signature = FixedId<struct SignatureTag, 64>;    // Ed25519
using QueryId = FixedId<struct QueryTag, 16>;          // random, chosen by the origin
using AgreementId = FixedId<struct AgreementTag, 32>;  // hash of the agreement's canonical bytes

// A local id as people write it: [a-z0-9][a-z0-9._-]{0,62}.
bool is_local_id(std::string_view text);
// Refuses (invalid_argument) with what `kind` it was, the text and the rule.
[[nodiscard]] Result<std::string> checked_local_id(std::string_view text, std::string_view kind);

}  // namespace entente

template <class Tag, std::size_t N>
struct std::hash<entente::FixedId<Tag, N>> {
  std::size_t operator()(const entente::FixedId<Tag, N>& id) const noexcept {
    return std::hash<std::string_view>{}(entente::text_of(id.view()));
  }
};
