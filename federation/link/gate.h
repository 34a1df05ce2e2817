// The bootstrap object of a connection that we serve, built for the identity TLS proved.
#pragma once

#include <functional>

#include "federation/link/governor.h"

namespace entente::federation {

inline constexpr std::uint16_t kProtocolLeast = 1;
inline constexpr std::uint16_t kProtocolMost = 1;
// "entente 0.1.0", for people.
const char* software_name();

// What the peer said of itself at its last successful opening; for people, never for decisions.
struct PeerHello {
  std::uint16_t protocol = 0;
  std::string software;
  // The protocols that the peer speaks; zero when it is we who opened, since a welcome says one.
  std::uint16_t least = 0, most = 0;
};

// `opened` is told of every successful opening.
wire::Gate::Client make_gate(security::PeerIdentity peer, std::shared_ptr<Governor> governor,
                             std::function<void(const PeerHello&)> opened);

// A peer's text for the log: cut, and control characters replaced.
std::string tame(std::string_view text);

}  // namespace entente::federation
