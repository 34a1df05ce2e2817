// Users of the federation: they ask what they may, again and for the first time, of one partner or
// of several, and some organisations misuse the protocol.
#pragma once

#include <vector>

#include "tests/simulation/context.h"
#include "tests/simulation/node.h"
#include "tests/simulation/referee.h"

namespace entente::simulation {

class Users {
 public:
  Users(Context& context, std::vector<std::unique_ptr<Node>>& nodes);

  // One question of a user of this node.
  void ask(Node& node, Random& random);
  // One misuse by this node's organisation, with its own keys and with what it has seen.
  void misuse(Node& node, Random& random);
  // What was sent to a node, and somebody has got hold of.
  void overheard(std::size_t to, const Bytes& envelope);

 private:
  std::string sentence(Random& random) const;
  std::vector<std::size_t> partners_of(const Node& node, Random& random) const;
  void ended(const AskedQuestion& question, Node& node, federation::FederatedAnswer answer);
  std::optional<Envelope> prepared(Node& node, std::size_t provider, Random& random) const;
  void send(Node& node, std::size_t to, const Envelope& envelope, const std::string& how);
  void send_bytes(Node& node, std::size_t to, Bytes request, const std::string& how);

  Context& context_;
  std::vector<std::unique_ptr<Node>>& nodes_;
  std::uint64_t asked_ = 0;
  std::vector<std::vector<Bytes>> overheard_;  // by node
  std::vector<Bytes> sent_;
};

}  // namespace entente::simulation
