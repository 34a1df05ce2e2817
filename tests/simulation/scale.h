// What one question costs in trees of many sites: a model on simulated time, with messages as long
// as the product's encodings make them.
//
// Every inner node asks its members at once and answers when the last of them has. `own`: it merges
// what they released and answers for itself, naming the leaves below it. `routed`: it passes their
// sealed answers on as they are. Links take 20 to 150 ms each way, drawn for each; signing,
// verifying and folding take the time that the constants of scale.cpp name. Nothing is lost: this
// is about growth, world.h about faults.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "schemas/base/time.h"

namespace entente::simulation {

enum class ScaleAnswer { own, routed };

struct ScaleCase {
  std::size_t sites = 10'000;
  std::size_t fan_out = 10;
  ScaleAnswer answer = ScaleAnswer::own;
};

struct ScaleFigures {
  std::size_t levels = 0;  // of links from the origin to a leaf
  std::size_t nodes = 0;
  Duration latency{};             // until the origin has its rows
  std::size_t messages_most = 0;  // at one node, in and out
  std::size_t bytes_origin = 0, bytes_inner_most = 0, bytes_leaf = 0;  // in and out
  std::size_t reply_most = 0;                                          // the longest single reply
  double epsilon_site = 0;                                             // what each site is charged
};

// What the product makes of one question about one export and of its answer.
struct MessageSizes {
  std::size_t envelope = 0;    // signed, without those that caused it
  std::size_t hop = 0;         // what each envelope that caused it adds
  std::size_t answer = 0;      // sealed and signed, with its receipt
  std::size_t leaf_named = 0;  // of a leaf's domain in an answer that others merged
};
MessageSizes measured_sizes();

ScaleFigures figures_of(const ScaleCase& one);
// The table of federation/README.md, a line each, without its heading.
std::vector<std::string> scale_table();

}  // namespace entente::simulation
