// Foreign bytes as the messages of a round of secure aggregation: read, they have one form.
#include "schemas/sum_round.h"

using namespace entente;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  const auto same = [&](const auto& message) {
    if (message) ENTENTE_CHECK(canonical_bytes(*message) == to_bytes(bytes));
  };
  same(sum_proposal_from_bytes(bytes));
  same(sum_keys_from_bytes(bytes));
  same(sum_key_list_from_bytes(bytes));
  same(sum_shares_from_bytes(bytes));
  same(sum_share_list_from_bytes(bytes));
  same(sum_masked_from_bytes(bytes));
  same(sum_survivors_from_bytes(bytes));
  same(sum_consent_from_bytes(bytes));
  same(sum_consent_list_from_bytes(bytes));
  same(sum_unmasking_from_bytes(bytes));
  return 0;
}
