// System twins that partners may ask, as they are told of them.
//
// What a composite looks like from outside is made of what its members said of their exports when
// they agreed. That is kept, so that a member whose link or agreement has ended leaves the
// composite as it is: partners' agreements about it stay valid, and the member is named as missing.
// When a member's description changes, so does the composite's, and partners have to agree anew. A
// system twin that cannot be offered (its members have nothing in common, or one has never agreed)
// is offered to nobody; the log says why. Threads: loop.
#pragma once

#include <map>
#include <string>

#include "federation/ask/site.h"
#include "federation/compose/composite.h"
#include "node/config/declarations.h"
#include "node/store/store.h"

namespace entente::node {

class CompositeRegister {
 public:
  static const char* migration();

  explicit CompositeRegister(Store& store) : store_(store) {}

  // At start. Throws StoreFault.
  [[nodiscard]] Outcome load();
  // Adds what may be asked of the declared system twins to a snapshot that has everything else.
  void offer(const Declarations& declared, const std::shared_ptr<federation::SiteSnapshot>& site);
  // Why a declared system twin is not offered; empty when it is.
  std::string absence(const std::string& system) const;

 private:
  using Members = std::vector<federation::CompositeMember>;
  struct Entry {
    Members members;
    federation::SystemTwin system;
    std::shared_ptr<const federation::Composite> composite;
    std::string absence;
  };
  Result<Members> members_of(const federation::SystemTwin& system, const Entry& before,
                             const std::shared_ptr<const federation::SiteSnapshot>& site) const;
  void keep(const std::string& name, const Members& members);

  Store& store_;
  std::map<std::string, Entry, std::less<>> entries_;
};

// Has a snapshot know its own site as a partner, under terms that cover all its exports and let
// their answers be shared onward through its own `systems`.
void offer_to_self(federation::SiteSnapshot& site, const federation::KnownPartner& self,
                   std::vector<std::string> systems);

}  // namespace entente::node
