#include "security/privacy/ledger.h"

#include <algorithm>

#include "schemas/base/check.h"
#include "security/privacy/blocks.h"

namespace entente::security {

namespace {

// `left` of a cap, and whether `charge` fits into it.
struct Room {
  std::uint64_t left = 0;
  bool fits = false;
};

Room room_of(std::uint64_t cap, std::uint64_t spent, std::uint64_t charge) {
  std::uint64_t after = 0;
  const bool overflow = __builtin_add_overflow(spent, charge, &after);
  return {spent < cap ? cap - spent : 0, !overflow && after <= cap};
}

Error no_room(Instant block, const Room& room, std::uint64_t charge, const char* currency) {
  const std::string name =
      block == kLifetimeBlock ? "the lifetime block" : "the block of " + to_text(block);
  return make_error(ErrorCode::budget_exhausted,
                    name + " has " + std::to_string(room.left) + " units of " + currency +
                        " left, the question asks for " + std::to_string(charge));
}

}  // namespace

Outcome admit(const Account& account, const std::vector<BlockAmount>& charges, DeltaUnits delta) {
  ENTENTE_CHECK(account.spent.size() == charges.size());
  ENTENTE_CHECK(account.delta_spent.empty() || account.delta_spent.size() == charges.size());
  for (std::size_t i = 0; i < charges.size(); ++i) {
    const Instant block = charges[i].start;
    ENTENTE_CHECK(account.spent[i].start == block);
    const std::uint64_t charge = charges[i].rho.units;
    const Room rho = room_of(account.cap.units, account.spent[i].rho.units, charge);
    if (!rho.fits) return no_room(block, rho, charge, "rho");
    const std::uint64_t before = account.delta_spent.empty() ? 0 : account.delta_spent[i].units;
    const Room room = room_of(account.delta_cap.units, before, delta.units);
    if (delta.units > 0 && !room.fits) return no_room(block, room, delta.units, "delta");
  }
  return {};
}

std::vector<BlockAmount> left_of(const Account& account) {
  std::vector<BlockAmount> left;
  for (const BlockAmount& block : account.spent) {
    const std::uint64_t spent = block.rho.units;
    left.push_back({block.start, {spent < account.cap.units ? account.cap.units - spent : 0}});
  }
  return left;
}

DeltaUnits delta_left_of(const Account& account) {
  std::uint64_t left = account.delta_cap.units;
  for (const DeltaUnits& spent : account.delta_spent) {
    left = std::min(left, room_of(account.delta_cap.units, spent.units, 0).left);
  }
  return {left};
}

}  // namespace entente::security
