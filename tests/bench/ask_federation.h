// The federation that the ask benchmark measures: sites as processes, each with all that answers a
// question in a node (links over TLS, firewall, choke point, disclosure gate, ledger and history in
// SQLite), and one asker.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "federation/ask/site.h"
#include "federation/limits.h"
#include "schemas/base/clock.h"
#include "schemas/base/random.h"
#include "security/identity/keys.h"
#include "tests/support/test_certificates.h"

namespace entente::bench {

inline constexpr const char* kExport = "air";
inline constexpr int kCounties = 5, kTwinsPerCounty = 10, kReadingsPerTwin = 24;

// An organisation that answers.
struct SiteSpec {
  SiteSpec(std::string given_name, const OrgId& asker, Random& random);
  std::string name;
  test::TestAuthority authority;
  security::SigningKey answer_key;
  ExportView view;
  AgreementId agreement_id;
  Agreement agreement;
  Duration grid;  // its answers leave at multiples of this
  std::uint16_t port = 0;
  pid_t process = 0;
  int life = -1;  // closing it ends the process
};

// Every key and certificate, made before the processes part, so that each has what it needs.
struct Federation {
  Federation(int plain, int on_grid);
  ~Federation();  // ends the sites
  Federation(const Federation&) = delete;
  Federation& operator=(const Federation&) = delete;

  SystemRandom random;
  test::TestAuthority asker_authority{"asker"};
  security::SigningKey envelope_key;
  std::vector<std::unique_ptr<SiteSpec>> sites;  // those on the default grid last

  std::shared_ptr<const federation::SiteSnapshot> snapshot_of_asker() const;
  std::shared_ptr<const federation::SiteSnapshot> snapshot_of(const SiteSpec& site) const;

 private:
  federation::KnownPartner asker_as_partner() const;
};

// No bucket may refuse: a benchmark asks faster than a partner may.
federation::LinkLimits generous_limits();

// Starts the site's process, which keeps its databases in `folder`, and waits until it listens.
// Before any thread exists in this process. `core`: pinned to it, unless negative.
void start_site(const Federation& federation, SiteSpec& site, const std::string& folder, int core);

}  // namespace entente::bench
