// The systems that the rpc benchmark compares: each a client and a server on a thread of its own,
// over loopback TCP and mutual TLS, echoing one blob.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace entente::bench {

struct Load {
  int in_flight = 64;
  int bytes = 256;
};

class System {
 public:
  virtual ~System() = default;
  // Calls for `seconds` with the load kept in flight; how many were answered.
  virtual std::uint64_t run(double seconds) = 0;
};

// Ours as a link uses it: TLS stream, firewall, LinkNetwork. `governed`: and the choke
// point (session life, table row, rate, decide) before each call.
enum class Choke { none, governed };
std::unique_ptr<System> make_entente(Load load, Choke choke);
// Cap'n Proto as it comes, over kj-tls.
std::unique_ptr<System> make_stock(Load load);
// gRPC's asynchronous API with raw byte buffers (no protobuf), or null when it was not built in.
std::unique_ptr<System> make_grpc(Load load);

// Pins the calling thread: clients to the first core, servers to the second, if there are two.
enum class End { client, server };
void pin(End end);

}  // namespace entente::bench
