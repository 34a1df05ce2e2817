// How well an observer tells two worlds apart, from samples of what is seen in each.
//
// The observer boils everything seen down to one score. Events "score above t", for many t and in
// both directions, bound epsilon from below at any delta: ln((p - delta) / q), where p is the
// probability of the event in the world in which it is likely and q in the other, p bounded from
// below and q from above (Clopper and Pearson 1934, Bonferroni over all events). The thresholds
// come from the first tenth of the samples, the counts from the rest. A bound proves that much
// leaks; a small one proves nothing. Threads: any; pure.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace entente::federation {

// One-sided bounds on the probability behind `hits` of `runs`, each wrong with probability `risk`.
double probability_at_least(std::size_t hits, std::size_t runs, double risk);
double probability_at_most(std::size_t hits, std::size_t runs, double risk);

// The least epsilon at `delta` under which the counts of one event are possible; 0 at least.
// `hits` are those in the likely and in the unlikely world, each of `runs`.
double epsilon_of_event(std::size_t likely, std::size_t unlikely, std::size_t runs, double delta,
                        double risk);

// The best such bound over all events of a score, for each delta. As many samples of both worlds,
// at least 100 (a bug otherwise). `risk` is that of all bounds together.
std::vector<double> epsilon_at_least(std::span<const double> with, std::span<const double> without,
                                     std::span<const double> deltas, double risk);

// The least mu of Gaussian differential privacy (Dong, Roth, Su 2022) under which the counts of all
// those events are possible: for noise that is Gaussian, as that of every release, a far closer
// bound from the same samples (Nasr and others, "Tight auditing", 2023). 0 at least.
double mu_at_least(std::span<const double> with, std::span<const double> without, double risk);

}  // namespace entente::federation
