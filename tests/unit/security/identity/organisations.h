// Organisations for tests: keys and a pinned first charter, all from one seed.
#pragma once

#include "security/identity/charter.h"

namespace entente::security::test {

inline constexpr Instant kNow{1'750'000'000'000'000'000};

struct Organisation {
  OrganisationKeys keys;
  PinnedOrganisation pinned;
};

inline Organisation make_organisation(Random& random, std::string name = "washington",
                                      std::size_t roots = 1, std::uint8_t threshold = 1) {
  OrganisationKeys keys = generate_keys(random, roots);
  auto charter = first_charter(
      {std::move(name), "An organisation", kNow - days(1), kNow + days(365), threshold}, keys);
  ENTENTE_CHECK(charter.has_value());
  auto pinned = PinnedOrganisation::from_chain({sign_charter(*charter, keys.roots)});
  ENTENTE_CHECK(pinned.has_value());
  return {std::move(keys), *std::move(pinned)};
}

// The next version of the organisation's charter, unsigned.
inline Charter next_charter(const PinnedOrganisation& organisation) {
  Charter out = organisation.current();
  out.version += 1;
  out.previous = charter_hash(organisation.chain().back().charter);
  out.issued = out.issued + hours(1);
  return out;
}

}  // namespace entente::security::test
