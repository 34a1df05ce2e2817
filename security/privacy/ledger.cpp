#include "security/privacy/ledger.h"

#include "schemas/base/check.h"
#include "security/privacy/blocks.h"

namespace entente::security {

Outcome admit(const Account& account, const std::vector<BlockAmount>& charges) {
  ENTENTE_CHECK(account.spent.size() == charges.size());
  for (std::size_t i = 0; i < charges.size(); ++i) {
    ENTENTE_CHECK(account.spent[i].start == charges[i].start);
    std::uint64_t after = 0;
    const bool overflow =
        __builtin_add_overflow(account.spent[i].rho.units, charges[i].rho.units, &after);
    if (!overflow && after <= account.cap.units) continue;
    const std::uint64_t spent = account.spent[i].rho.units;
    const std::uint64_t left = spent < account.cap.units ? account.cap.units - spent : 0;
    const std::string block = charges[i].start == kLifetimeBlock
                                  ? "the lifetime block"
                                  : "the block of " + to_text(charges[i].start);
    return make_error(ErrorCode::budget_exhausted,
                      block + " has " + std::to_string(left) +
                          " units of rho left, the question asks for " +
                          std::to_string(charges[i].rho.units));
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

}  // namespace entente::security
