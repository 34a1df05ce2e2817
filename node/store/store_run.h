// Store::run, apart because it needs <future>.
#pragma once

#include <future>

namespace entente::node {

template <class T>
Result<T> Store::run(std::function<Result<T>(Database&)> job,
                     std::function<void(const T&)> committed) {
  auto outcome = std::make_shared<std::optional<Result<T>>>();
  auto finished = std::make_shared<std::promise<Result<T>>>();
  auto result = finished->get_future();
  Job queued;
  queued.direct = true;
  queued.run = [job = std::move(job), outcome](Database& database) -> bool {
    outcome->emplace(job(database));
    return outcome->value().has_value();
  };
  if (committed) {
    queued.committed = [committed = std::move(committed), outcome] { committed(***outcome); };
  }
  queued.report = [outcome, finished](const Error* failure) {
    finished->set_value(failure != nullptr ? Result<T>(*failure) : std::move(**outcome));
  };
  enqueue(std::move(queued));
  return result.get();
}

}  // namespace entente::node
