// When an answer leaves its site: at a time that follows from public sizes alone.
//
// How long an aggregate takes may depend on the readings, and how long a draw takes depends on the
// noise itself (privacy.md 2.4, 3.5). So the time at which an answer leaves is fixed before
// anything is scanned: the time that the declared sizes call for, rounded up to the grid. An answer
// that is not ready by then waits for twice that time, then for twice again: lateness shows in the
// number of doublings and in nothing finer. Threads: any; pure.
#pragma once

#include "schemas/agreement.h"
#include "schemas/base/time.h"
#include "schemas/question.h"

namespace entente::federation {

// From the question's arrival, a positive multiple of `grid`. `grid` is above zero.
Duration answer_slot(const Question& question, const ExportView& view, Duration grid);

// `slot`, doubled until it is after `elapsed`.
Duration slot_after(Duration slot, Duration elapsed);

}  // namespace entente::federation
