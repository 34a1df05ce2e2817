// Readings of one series, page by page, for whoever must not hold them all.
#pragma once

#include <cstddef>
#include <vector>

#include "node/history/history.h"

namespace entente::node {

enum class Keep { all, good };

// A history that makes pages in a way of its own; read_page asks it.
class PagedHistory : public History {
 public:
  virtual std::vector<Reading> page(SeriesId series, TimeWindow window, std::size_t limit,
                                    Keep keep) const = 0;
};

// The first `limit` readings of the window, in order of time; fewer only when there are no more.
// Summaries say where they lie, so that about as much is decoded as is given, however long the
// series is. For workers. Throws as History::scan does.
std::vector<Reading> read_page(const History& history, SeriesId series, TimeWindow window,
                               std::size_t limit, Keep keep);

}  // namespace entente::node
