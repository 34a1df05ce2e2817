#include <utility>

#include "node/daemon/twin_query.h"

#include <charconv>
#include <memory>
#include <tuple>

#include "node/daemon/await.h"

namespace entente::node {

Result<const Twin*> find_twin(const TwinGraph& graph, std::string_view id,
                              std::string_view signal) {
  const Twin* twin = graph.find(id);
  if (twin == nullptr) {
    return make_error(ErrorCode::not_found, "there is no twin '" + std::string(id) + "'",
                      "see 'entente twin list'");
  }
  if (signal.empty() || graph.type_of(*twin)->signal(signal) != nullptr) return twin;
  return make_error(ErrorCode::not_found,
                    twin->type + " has no signal '" + std::string(signal) + "'",
                    "see 'entente type show'");
}

// Both ends may be absent; `to` is not part of the window.
Result<TimeWindow> window_of(std::string_view from, std::string_view to) {
  TimeWindow window = kAllTime;
  for (auto [text, end, name] :
       {std::tuple(from, &window.from, "from"), std::tuple(to, &window.to, "to")}) {
    if (text.empty()) continue;
    auto parsed = parse_instant(text);
    if (!parsed) {
      return make_error(ErrorCode::invalid_argument,
                        std::string(name) + ": " + parsed.error().what);
    }
    *end = *parsed;
  }
  if (window.to < window.from) {
    return make_error(ErrorCode::invalid_argument, "the window ends before it begins");
  }
  return window;
}

std::optional<SeriesPlace> SeriesPlace::from_key(std::string_view key) {
  const std::size_t at = key.rfind(' ');
  if (at == std::string_view::npos) return std::nullopt;
  SeriesPlace place{std::string(key.substr(0, at)), 0};
  const auto [end, fault] =
      std::from_chars(key.data() + at + 1, key.data() + key.size(), place.time);
  if (fault != std::errc() || end != key.data() + key.size()) return std::nullopt;
  return place;
}

boost::asio::awaitable<Outcome> commit_twins(Core& core, TwinChange change) {
  if (change.empty()) co_return Outcome{};
  auto shared = std::make_shared<TwinChange>(std::move(change));
  auto start = [&core, shared](std::function<void(Outcome)> done) {
    core.twins->commit(std::move(*shared), std::move(done));
  };
  co_return co_await await_result<void>(core.loop, std::move(start));
}

}  // namespace entente::node
