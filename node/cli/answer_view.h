// An answer as people read it: the table of figures, then what stands behind them. For `ask`, and
// for a receipt of it that is verified later. The JSON is that of POST /api/v1/ask.
#pragma once

#include <boost/json/value.hpp>

#include "node/cli/render.h"
#include "node/cli/session.h"

namespace entente::node {

// Whether this site of "coverage" answered.
bool answered(const boost::json::value& site);
Table answer_table(Session& session, const boost::json::value& answer);
// Window, who answered at what charge, what was composed; more with --verbose.
void say_answer(Session& session, const boost::json::value& answer);

}  // namespace entente::node
