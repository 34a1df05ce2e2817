// Where names stand in a list that somebody else keeps.
//
// Open addressing with linear probing: 11 to 22 bytes a name, where a map of strings takes 80 and
// more. The names themselves are asked for only to confirm a find. Nothing is ever removed.
// Threads: finds together, an addition alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace entente {

class NameIndex {
 public:
  // Makes room, so that so many names are added without moving.
  void reserve(std::size_t names) {
    std::size_t slots = 16;
    while (slots < names + names / 2) slots *= 2;
    if (slots > slots_.size()) rehash(slots);
  }

  // `name_at(number)` is the name that was added with the number.
  template <class NameAt>
  std::optional<std::uint32_t> find(std::string_view name, const NameAt& name_at) const {
    if (slots_.empty()) return std::nullopt;
    const auto hash = hash_of(name);
    for (auto at = hash & mask();; at = (at + 1) & mask()) {
      const auto& slot = slots_[at];
      if (slot.number == kFree) return std::nullopt;
      if (slot.hash == hash && name_at(slot.number) == name) return slot.number;
    }
  }

  // `name` is not here yet; `number` is below 2^32 - 1.
  void add(std::string_view name, std::uint32_t number) {
    reserve(used_ + 1);
    place({hash_of(name), number});
    ++used_;
  }

 private:
  static constexpr std::uint32_t kFree = 0xffffffff;
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t number = kFree;
  };
  static std::uint32_t hash_of(std::string_view name) {
    const std::uint64_t hash = std::hash<std::string_view>()(name);
    return static_cast<std::uint32_t>(hash ^ (hash >> 32));
  }
  std::size_t mask() const { return slots_.size() - 1; }
  void place(Slot slot) {
    auto at = slot.hash & mask();
    while (slots_[at].number != kFree) at = (at + 1) & mask();
    slots_[at] = slot;
  }
  void rehash(std::size_t slots) {
    const auto old = std::exchange(slots_, std::vector<Slot>(slots));
    for (const auto& slot : old) {
      if (slot.number != kFree) place(slot);
    }
  }

  std::vector<Slot> slots_;  // a power of two of them, at most two thirds used
  std::size_t used_ = 0;
};

}  // namespace entente
