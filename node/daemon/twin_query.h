// What handlers about twins share: finding one, a window of time, a place in its readings.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "node/daemon/core.h"

namespace entente::node {

// Refuses: not_found (the twin, or its type's signal when `signal` is not empty).
[[nodiscard]] Result<const Twin*> find_twin(const TwinGraph& graph, std::string_view id,
                                            std::string_view signal);

// Both ends may be absent; `to` is not part of the window. Refuses: invalid_argument.
[[nodiscard]] Result<TimeWindow> window_of(std::string_view from, std::string_view to);

// Where a page of a twin's readings ended: a signal, and a time in it (ns).
struct SeriesPlace {
  std::string signal;
  std::int64_t time = 0;
  std::string key() const { return signal + " " + std::to_string(time); }
  // Nothing for a text that is no key.
  static std::optional<SeriesPlace> from_key(std::string_view key);
};

// Writes a planned change and waits. Loop only. Refuses as TwinRegistry::commit does.
boost::asio::awaitable<Outcome> commit_twins(Core& core, TwinChange change);

}  // namespace entente::node
