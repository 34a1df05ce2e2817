// The first quality gate: what is wrong with a reading by itself.
#pragma once

#include <optional>

#include "node/history/history.h"
#include "node/twin/dtdl.h"

namespace entente::node {

// `now` is the wall time of arrival. The first of the verdicts that applies, in the order not_finite,
// clock_ahead, out_of_range; a range's ends belong to it.
Quality judge(Instant time, double value, const std::optional<Range>& range, Instant now);

}  // namespace entente::node
